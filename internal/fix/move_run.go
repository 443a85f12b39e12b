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
