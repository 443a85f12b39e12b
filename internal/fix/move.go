package fix

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// move is one COPY on its way below a RUN.
type move struct {
	scene
	step   *dockerfile.Instruction
	below  *dockerfile.Instruction
	source placed // what it brings
	kept   placed // what of it is still there before the steps that it passes
	chown  bool
	at     *dockerfile.Instruction // the RUN that is judged
	// dirs are directories that are there, with the same owner as before the edit, whether the COPY
	// has run or not.
	dirs []string
}

// moveStep proves that a COPY can run below a RUN instead of above it. Every instruction that it
// passes has to make the same of the image without the files that it brings, but for those that new
// COPYs put in its place, and nothing that these instructions write may be overwritten by it:
//   - a RUN consists of commands that the table of effects knows; none of them names a path of the
//     source, runs in a directory that only the source makes, or is a program of the source;
//   - where the directory that a RUN starts in is the base image's own, and not known, the RUN reads and writes
//     nothing by a path from there;
//   - an install reads manifests that are there, and with them all that they include, and no local
//     path; what it makes (a virtual environment, node_modules, --target) is not among the files,
//     and in a build from a local directory the ignore file leaves it out;
//   - a WORKDIR makes no directory that the COPY made with another owner;
//   - a COPY brings nothing to the same places.
//
// That the COPY itself does the same in its new place (variables, WORKDIR) is what the comparison of
// the operations says.
func (s scene) moveStep(u *unit, e rules.MoveStep) Reason {
	list := e.Step.Stage.Instructions
	from, to := slices.Index(list, e.Step), slices.Index(list, e.Below)
	if from >= to || e.Below.Run() == nil {
		return rules.NotProven
	}
	if !s.oneContext() {
		return rules.SharedWithOthers
	}
	m := &move{scene: s, step: e.Step, below: e.Below}
	var reason Reason
	if m.source, reason = s.placeCopy(e.Step); reason != "" {
		if reason == rules.ManifestMissing {
			reason = rules.Unconfigured // files that git does not show
		}
		return reason
	}
	if m.kept, reason = s.kept(u, e.Step); reason != "" {
		return reason
	}
	m.chown = setsOwner(e.Step)
	if reason := m.settings(); reason != "" {
		return reason
	}
	m.dirs = s.madeAbove(e.Step)
	for image := range m.kept.files {
		m.dirs = append(m.dirs, path.Dir(image))
	}
	for _, i := range list[from+1 : to+1] {
		if reason := m.pass(i); reason != "" {
			return reason
		}
	}
	return ""
}

// settingsFiles are read by package managers wherever a file of that name lies at the right place.
var settingsFiles = []string{"pip.conf", ".netrc", ".pydistutils.cfg", "sitecustomize.py", "usercustomize.py"}

// settings refuses a source with files that may steer the install.
func (m *move) settings() Reason {
	if slices.ContainsFunc(systemDirs, m.source.covers) {
		return rules.Overwrites
	}
	for _, image := range m.source.sorted {
		if _, there := m.kept.files[image]; !there && slices.Contains(settingsFiles, path.Base(image)) {
			return rules.ConfigurationFile
		}
	}
	return ""
}

// systemDirs are where package managers write without being told to.
var systemDirs = []string{
	"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys", "/tmp",
	"/usr/bin", "/usr/include", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/sbin", "/usr/share",
	"/usr/local/bin", "/usr/local/etc", "/usr/local/include", "/usr/local/lib", "/usr/local/lib64", "/usr/local/sbin", "/usr/local/share",
	"/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp", "/root/.cache", "/root/.local",
}

// madeAbove are directories that instructions above one make: of WORKDIR, and destinations of COPY.
func (s scene) madeAbove(i *dockerfile.Instruction) []string {
	var dirs []string
	for stage := i.Stage; stage != nil; stage = stage.Parent {
		for _, o := range stage.Instructions {
			if o == i {
				break
			}
			switch o.Keyword {
			case "WORKDIR":
				if dir, ok := s.workdir(o); ok {
					dirs = append(dirs, dir)
				}
			case "COPY", "ADD":
				if dest, isDir, ok := s.dest(o); ok && isDir {
					dirs = append(dirs, dest)
				}
			}
		}
		i = stage.From
	}
	return dirs
}

// workdir is the directory that a WORKDIR makes.
func (s scene) workdir(i *dockerfile.Instruction) (string, bool) {
	if len(i.Args) != 1 {
		return "", false
	}
	dir, ok := shelleffects.Expand(i.Args[0].Value, s.states[i].Env)
	if !ok {
		return "", false
	}
	if path.IsAbs(dir) {
		return path.Clean(dir), true
	}
	return path.Join("/", s.states[i].Workdir, dir), s.states[i].WorkdirKnown
}

// dest is the destination of any COPY or ADD.
func (s scene) dest(i *dockerfile.Instruction) (dest string, isDir, ok bool) {
	if len(i.Args) < 2 {
		return "", false, false
	}
	_, word := words(i)
	dest, ok = shelleffects.Expand(word, s.states[i].Env)
	isDir = strings.HasSuffix(dest, "/") || dest == "." || len(i.Args) > 2
	if !path.IsAbs(dest) {
		dest, ok = path.Join("/", s.states[i].Workdir, dest), ok && s.states[i].WorkdirKnown
	}
	return path.Clean(dest), isDir, ok
}

// there says whether a directory is in the image, with the owner that it had before the edit, while
// the COPY has not run: one that does not lie where the COPY brings anything, or one that is made
// without it.
func (m *move) there(dir string) bool {
	if !shelleffects.Overlaps(m.source.dest, dir) {
		return true
	}
	return slices.ContainsFunc(m.dirs, func(d string) bool { return shelleffects.Covers(dir, d) })
}

// pass judges one instruction that the COPY passes.
func (m *move) pass(i *dockerfile.Instruction) Reason {
	state := m.states[i]
	switch i.Keyword {
	case "RUN":
		return m.run(i)
	case "COPY", "ADD":
		return m.crossing(i)
	case "WORKDIR":
		dir, ok := m.workdir(i)
		switch {
		case !ok:
			return rules.DestinationOpen
		case m.makes(dir) && (m.chown || !isRoot(state)):
			return rules.DirectoryOwner
		}
		m.dirs = append(m.dirs, dir)
	case "ENV", "ARG":
		// An ARG that a build gives a value counts only below it, which no comparison here can see.
		if strings.Contains(m.in.File.Source.Text(m.step.Span), "$") {
			return rules.ValuesBetween
		}
	case "VOLUME":
		// The classic builder throws away what later steps write there.
		for _, a := range i.Args {
			if shelleffects.Overlaps(m.source.dest, path.Clean("/"+a.Value)) {
				return rules.StepBetween
			}
		}
	}
	return ""
}

// crossing judges a COPY or ADD: its order with the moved one must make no difference.
func (m *move) crossing(i *dockerfile.Instruction) Reason {
	dest, isDir, ok := m.dest(i)
	if !ok {
		return rules.CopiesCross
	}
	if cmd, fromContext := i.Command.(*instructions.CopyCommand); fromContext && cmd.From == "" {
		if p, reason := m.placeCopy(i); reason == "" {
			for _, image := range p.sorted {
				if m.source.covers(image) {
					return rules.CopiesCross
				}
			}
			if m.sharesDirs(i, p.dest) {
				return rules.DirectoryOwner
			}
			m.dirs = append(m.dirs, p.dest)
			return ""
		}
	}
	// What it brings is not known: it must not be able to reach the same places.
	if m.source.covers(dest) || shelleffects.Covers(dest, m.source.dest) {
		return rules.CopiesCross
	}
	if shelleffects.Covers(m.source.dest, dest) && m.mayBeIgnored(dest) != "" {
		return rules.CopiesCross
	}
	if m.sharesDirs(i, dest) {
		return rules.DirectoryOwner
	}
	if isDir {
		m.dirs = append(m.dirs, dest)
	}
	return ""
}

// sharesDirs says whether the moved COPY and another one with this destination both make a directory
// that has another owner depending on who makes it.
func (m *move) sharesDirs(i *dockerfile.Instruction, dest string) bool {
	return (m.chown || setsOwner(i)) && m.makes(dest)
}

// setsOwner says whether a COPY or ADD names an owner or mode, which the directories on the way to its
// destination get too.
func setsOwner(i *dockerfile.Instruction) bool {
	return slices.ContainsFunc(i.Flags, func(f dockerfile.Flag) bool { return f.Name == "chown" || f.Name == "chmod" })
}

// makesHome says whether a command that makes or changes users may make a home where the COPY made a
// directory before the edit: below /home, or where an option says. A home that is there it leaves alone.
func (m *move) makesHome(c *dockerfile.Command) bool {
	if shelleffects.Overlaps("/home", m.source.dest) && !m.there(m.source.dest) {
		return true
	}
	for i, w := range c.Words {
		option, dir, joined := strings.Cut(w.Value, "=")
		if !joined {
			dir = w.Value
			if i > 0 {
				option = c.Words[i-1].Value
			}
		}
		switch {
		case path.IsAbs(dir) && m.makes(path.Clean(dir)):
			return true
		case !w.Literal && slices.Contains([]string{"-d", "-h", "--home", "--home-dir"}, option) && !m.there(m.source.dest):
			return true
		}
	}
	return false
}

// makes says whether what makes a directory, and those above it, while the COPY has not run, may make one
// that the COPY made before the edit.
func (m *move) makes(dir string) bool {
	for d := m.source.dest; d != "/"; d = path.Dir(d) {
		if shelleffects.Covers(d, dir) && !slices.Contains(commonDirs, d) && !slices.Contains([]string{"/usr", "/root", "/tmp", "/etc"}, d) && !m.there(d) {
			return true
		}
	}
	return false
}

// run judges a RUN.
func (m *move) run(i *dockerfile.Instruction) Reason {
	state, run := m.states[i], i.Run()
	effects := m.effects(i)
	m.at = i
	if run == nil || effects.Unread || silentReads(run) {
		return rules.ScriptUnread
	}
	if len(effects.Unknown) > 0 {
		return rules.StepBetween
	}
	if !state.WorkdirKnown && hangsOnWorkdir(run, state) {
		return rules.BaseUnknown
	}
	for _, mount := range run.Mounts {
		switch mount.Type {
		case instructions.MountTypeCache, instructions.MountTypeSecret, instructions.MountTypeSSH:
		default:
			if shelleffects.Overlaps(m.source.dest, path.Clean("/"+mount.Target)) || !path.IsAbs(mount.Target) {
				return rules.StepBetween
			}
		}
	}
	for _, c := range run.Commands {
		if reason := m.command(c, state); reason != "" {
			return reason
		}
		if shelleffects.Accounts(c) && m.makesHome(c) {
			return rules.DirectoryOwner
		}
	}
	for _, t := range effects.Touches {
		for _, p := range t.Paths {
			if reason := m.touch(t.Command, p); reason != "" {
				return reason
			}
		}
	}
	for _, p := range effects.Packages {
		for _, f := range p.Files {
			if m.source.covers(f) {
				return rules.StepBetween
			}
		}
	}
	for _, install := range effects.Installs {
		if reason := m.install(install); reason != "" {
			return reason
		}
	}
	if m.steersFromSource(effects, state) {
		return rules.ConfigurationFile
	}
	return ""
}

// hangsOnWorkdir says whether what a RUN reads or writes hangs on the directory that it starts in.
func hangsOnWorkdir(run *dockerfile.Run, state dockerfile.State) bool {
	places := func(workdir string) []string {
		state.Workdir = workdir
		e := shelleffects.Of(run, state)
		var all []string
		for _, t := range e.Touches {
			all = append(all, t.Paths...)
		}
		for _, p := range e.Packages {
			all = append(all, p.Files...)
		}
		for _, i := range e.Installs {
			all = slices.Concat(all, i.Writes, i.LocalPaths)
			for _, m := range i.Manifests {
				at, _ := i.Path(m.Path)
				all = append(all, at)
			}
		}
		return all
	}
	return !slices.Equal(places("/"), places("/of/the/image"))
}

// steersFromSource says whether an install of the RUN is told to read a file of the source beside its
// manifests: by a word of its command (pip's --cert, apt's -o), or by a variable that tools look at by
// themselves (SSL_CERT_FILE, PIP_FIND_LINKS, APT_CONFIG).
func (m *move) steersFromSource(e shelleffects.Effects, state dockerfile.State) bool {
	brings := func(dir, word string) bool {
		word = strings.Trim(word, `"'`)
		if !path.IsAbs(word) && !path.IsAbs(dir) && !state.WorkdirKnown {
			return slices.ContainsFunc(m.source.sorted, func(image string) bool { return strings.HasSuffix(image, path.Join("/", dir, word)) })
		}
		if !path.IsAbs(word) {
			word = path.Join("/", state.Workdir, dir, word)
		}
		_, ours := m.source.files[path.Clean(word)]
		_, kept := m.kept.files[path.Clean(word)]
		return ours && !kept
	}
	commands := map[*dockerfile.Command]bool{}
	for _, i := range e.Installs {
		commands[i.Command] = true
	}
	for _, p := range e.Packages {
		commands[p.Command] = true
	}
	for _, u := range e.Updates {
		commands[u.Command] = true
	}
	variables := maps.Clone(state.Env)
	for c := range commands {
		for _, w := range c.Words[1:] {
			_, value, _ := strings.Cut(w.Value, "=")
			if strings.ContainsAny(w.Value, "./") && (brings(c.Dir, w.Value) || value != "" && brings(c.Dir, value)) {
				return true
			}
		}
		for _, a := range c.Assigns {
			if variables == nil {
				variables = map[string]string{}
			}
			variables[a.Name] = a.Value
		}
	}
	for name, value := range variables {
		if len(commands) == 0 || !shelleffects.ReadsVariable(name) {
			continue
		}
		for _, word := range strings.FieldsFunc(value, func(r rune) bool { return r == ':' || r == ' ' || r == ',' }) {
			if brings("", word) || slices.Contains(directoryVariables, name) && path.IsAbs(word) && m.source.covers(path.Clean(word)) {
				return true
			}
		}
	}
	return false
}

// directoryVariables name directories from which installs read.
var directoryVariables = []string{"PIP_FIND_LINKS", "UV_FIND_LINKS", "SSL_CERT_DIR", "LD_LIBRARY_PATH"}

// command judges where a command runs, which program it is, and where its output goes.
func (m *move) command(c *dockerfile.Command, state dockerfile.State) Reason {
	dir := state.Workdir
	if c.Dir != "" {
		dir = path.Join("/", state.Workdir, c.Dir)
		if path.IsAbs(c.Dir) {
			dir = path.Clean(c.Dir)
		}
	}
	known := c.DirKnown && (state.WorkdirKnown || path.IsAbs(c.Dir))
	if (c.Name == "cd" || c.Name == "pushd") && len(c.Words) == 2 {
		// It stands where it comes from; where it leads is what the next command shows, or nothing.
		to := c.Words[1]
		switch {
		case !to.Literal || !known:
			known = known && to.Literal
		case path.IsAbs(to.Value):
			dir = path.Clean(to.Value)
		default:
			dir = path.Join(dir, to.Value)
		}
	}
	if !known && !c.DirKnown {
		return rules.StepBetween
	}
	if known && !m.there(dir) && dir != state.Workdir {
		return rules.StepBetween
	}
	if program := c.Words[0]; strings.Contains(program.Value, "/") {
		if !program.Literal {
			return rules.StepBetween
		}
		at := program.Value
		if !path.IsAbs(at) {
			if !known {
				return rules.StepBetween
			}
			at = path.Join(dir, at)
		}
		if m.source.covers(path.Clean(at)) {
			return rules.StepBetween
		}
	} else {
		for _, bin := range m.searchPath(c, state) {
			if _, ours := m.source.files[path.Join(bin, program.Value)]; ours {
				return rules.StepBetween
			}
		}
	}
	for _, r := range c.Redirects {
		if strings.HasPrefix(r.Op, "<<") || r.Target.Value == "/dev/null" || strings.HasSuffix(r.Op, "&") {
			continue
		}
		at := r.Target.Value
		switch {
		case !r.Target.Literal || !path.IsAbs(at) && !known:
			return rules.StepBetween
		case !path.IsAbs(at):
			at = path.Join(dir, at)
		}
		if reason := m.touch(c, path.Clean(at)); reason != "" {
			return reason
		}
	}
	return ""
}

// searchPath are directories that a command's program may be found in, as far as the file names them:
// what a base image has in PATH is not the source's.
func (m *move) searchPath(c *dockerfile.Command, state dockerfile.State) []string {
	values := []string{state.Env["PATH"]}
	for stage := m.step.Stage; stage != nil; stage = stage.Parent {
		for _, i := range stage.Instructions {
			if cmd, ok := i.Command.(*instructions.EnvCommand); ok {
				for _, e := range cmd.Env {
					if e.Key == "PATH" {
						values = append(values, e.Value)
					}
				}
			}
		}
	}
	for _, a := range c.Assigns {
		if a.Name == "PATH" {
			values = append(values, a.Value)
		}
	}
	var dirs []string
	for _, value := range values {
		for dir := range strings.SplitSeq(strings.Trim(value, `"'`), ":") {
			if dir, ok := shelleffects.Expand(dir, state.Env); ok {
				if !path.IsAbs(dir) {
					dir = path.Join("/", state.Workdir, dir)
				}
				dirs = append(dirs, path.Clean(dir))
			}
		}
	}
	return dirs
}

// readers only look at what they name.
var readers = []string{"cat", "head", "tail", "grep", "egrep", "fgrep", "wc", "ls", "stat", "test", "[", "[["}

// touch judges a path that a command of the table reads or writes.
func (m *move) touch(c *dockerfile.Command, p string) Reason {
	if strings.HasPrefix(p, "~") {
		if strings.HasPrefix(m.source.dest, "/root") || strings.HasPrefix(m.source.dest, "/home") || m.source.dest == "/" {
			return rules.StepBetween
		}
		return ""
	}
	switch {
	case slices.Contains(readers, c.Name):
		if _, kept := m.kept.files[p]; !kept && m.source.covers(p) {
			return rules.StepBetween
		}
		return ""
	case m.source.covers(p):
		return rules.StepBetween
	case c.Name == "mkdir":
		if m.chown && m.makes(p) {
			return rules.DirectoryOwner
		}
		m.dirs = append(m.dirs, p)
		return ""
	}
	return m.mayBeIgnored(p)
}

// mayBeIgnored refuses a path that a step writes and that a local directory may bring too, though
// git does not know it: the ignore file has to leave it out.
func (m *move) mayBeIgnored(image string) Reason {
	if !m.local() {
		return ""
	}
	for _, r := range m.source.roots {
		if !shelleffects.Covers(r.image, image) || r.image == image {
			continue
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(image, r.image), "/")
		if !m.in.Context.Ignored(path.Join(r.context, rel)) {
			return rules.IgnoreFirst
		}
	}
	return ""
}

// install judges a dependency install.
func (m *move) install(i shelleffects.Install) Reason {
	switch {
	case i.Unclear:
		return rules.ManifestUnknown
	case i.NeedsSource != "" && (i.Leaves == "" || m.isPackage(i)):
		if len(i.LocalPaths) == 0 || !i.DirKnown {
			return rules.NeedsSource
		}
		for _, p := range i.LocalPaths {
			if !path.IsAbs(p) || m.source.covers(p) || shelleffects.Covers(m.source.dest, p) {
				return rules.NeedsSource
			}
		}
	}
	if len(i.Manifests) > 0 && !i.DirKnown {
		return rules.ManifestUnknown
	}
	if reason := m.reads(i); reason != "" {
		return reason
	}
	if reason := m.rewrites(i); reason != "" {
		return reason
	}
	for _, w := range i.Writes {
		if !path.IsAbs(w) {
			return rules.Overwrites
		}
		if m.source.covers(w) || m.source.dest == w {
			return rules.Overwrites
		}
		if m.chown && m.makes(w) {
			return rules.DirectoryOwner
		}
		if reason := m.mayBeIgnored(w); reason != "" {
			return reason
		}
	}
	return ""
}

// isFile says whether the context has a plain file at a path.
func (s scene) isFile(file string) bool {
	e, ok := s.in.Context.Tree.Lookup(file)
	return ok && e.Mode != buildcontext.ModeSymlink && e.Mode != buildcontext.ModeSubmodule
}
