package fix

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

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
		return ofCopy(reason)
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

// ofCopy is a reason why the places of a COPY's files are not known, where no install reads them.
func ofCopy(reason Reason) Reason {
	switch reason {
	case rules.ManifestMissing:
		return rules.CopiesUnseen
	case rules.ManifestLink:
		return rules.CopiesLink
	}
	return reason
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
