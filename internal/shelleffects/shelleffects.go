// Package shelleffects is one table of what the commands of a RUN read and write: package indexes,
// caches, the manifests that an install reads. Rules detect with it and proofs reason with it.
//
// What the table does not know is unknown, never harmless: a command that is in none of the lists
// may read and write anything.
package shelleffects

import (
	"path"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// Install is one dependency install: one command of a RUN that resolves or downloads dependencies.
type Install struct {
	Tool    string // pip, uv, poetry, pipenv, pdm, conda, npm, yarn, pnpm, bun, go, bundler, composer, cargo
	Verb    string // "install", "sync", "pip install", …: what was asked of the tool
	Command *dockerfile.Command
	// Dir is the image's directory that the command runs in (or was told to work in). DirKnown is
	// false after a directory that is not literal; relative paths then lead nowhere known.
	Dir      string
	DirKnown bool
	// Manifests are the files that it reads, as named on its command line or by the tool's
	// convention, relative to Dir or absolute (in the image).
	Manifests []Manifest
	Packages  []string // packages named on the command line
	// NeedsSource says why the install reads more than manifests (".", "-e .", a local path); "" if not.
	NeedsSource string
	// LocalPaths are the paths in the image behind NeedsSource, absolute where Dir is known.
	LocalPaths []string
	// Leaves is the flag that would leave the source out ("--no-root"), where the tool has one.
	Leaves string
	// Writes are the directories that it makes outside the system: a virtual environment,
	// node_modules, --target; absolute where Dir is known.
	Writes []string
	// Unclear says that an argument hangs on something unknown.
	Unclear bool
	// PackagingOnly says that nothing but packaging tools (pip, setuptools, wheel) is installed.
	PackagingOnly bool
	// CacheOff is what turns its cache off: "--no-cache-dir", "PIP_NO_CACHE_DIR"; "" if it is on.
	CacheOff string
	// CacheDir is where its cache lies in the image, or would lie if it were on, for the tools whose
	// cache is known; "" if not. CacheDirKnown is false where that hangs on the user's home.
	CacheDir      string
	CacheDirKnown bool
}

// Manifest is a file an install reads.
type Manifest struct {
	Path       string // "" when its name is not known
	Constraint bool
	Optional   bool // read where it is there (lock files)
}

// Bare says that the install reads no file: everything that it installs stands on its command line.
func (i Install) Bare() bool { return len(i.Manifests) == 0 && i.NeedsSource == "" }

// Path makes a path of the install's command line one of the image; ok is false when its directory
// is not known.
func (i Install) Path(p string) (abs string, ok bool) {
	if path.IsAbs(p) {
		return path.Clean(p), true
	}
	return path.Join(i.Dir, p), i.DirKnown && p != ""
}

// IndexUpdate is a command that fetches a package index (apt-get update, apk update, …).
type IndexUpdate struct {
	Tool    string // apt, apk, dnf, yum, zypper
	Command *dockerfile.Command
}

// PackageInstall is a command that uses the index of operating system packages.
type PackageInstall struct {
	Tool    string
	Command *dockerfile.Command
	// Upgrade says that it brings what is there up to date (apt-get upgrade) and installs nothing named.
	Upgrade bool
	// Fetches says that it fetches the index itself (apk add --no-cache, dnf install).
	Fetches bool
	Files   []string // local package files that it names, absolute; "/" for one that is not known
	Names   []string // packages that it names, without versions; as written where they hang on variables
	// Group is the name under which it can take them all away again (apk add --virtual); "" without.
	Group string
}

// PackageRemoval is a command that takes packages of the system away.
type PackageRemoval struct {
	Tool    string
	Command *dockerfile.Command
	Names   []string // packages or groups that it names, as those of PackageInstall
}

// Touch is the paths that a command which the table knows reads or writes in the image, besides what
// belongs to the system (package databases, users, time zones).
type Touch struct {
	Command *dockerfile.Command
	Paths   []string // absolute, or beginning with "~" where the user's home is not known
}

// Removal is a command that takes paths or a tool's cache away.
type Removal struct {
	Command *dockerfile.Command
	Paths   []string // what it names; the directory above a wildcard
	Whole   []string // those of them that go with everything in them, as far as that is certain
	Tool    string   // whose cache goes: "pip cache purge"; "" for paths
}

// Effects is what one RUN does, as far as the table knows. Every command is in one of Installs,
// Updates, Packages, Touches and Unknown.
type Effects struct {
	Installs []Install
	Updates  []IndexUpdate
	Packages []PackageInstall
	Touches  []Touch
	Removals []Removal // some of Touches
	// Uninstalls are some of Touches too; Fetches and Checkouts are some of Installs, Touches and Unknown.
	Uninstalls []PackageRemoval
	Fetches    []Fetch
	Checkouts  []Checkout
	Ownerships []Ownership // some of Touches and Unknown
	// Unknown are commands that the table does not know: they may read and write anything.
	Unknown []*dockerfile.Command
	// Unread says that the script could not be read at all.
	Unread bool
}

// Of reads one RUN (an instruction or an ONBUILD trigger) under its state.
func Of(run *dockerfile.Run, state dockerfile.State) Effects {
	var e Effects
	if run == nil {
		return e
	}
	if run.Err != nil {
		e.Unread = true
		return e
	}
	unset := map[string]bool{} // variables of the image that the script takes away
	for n, cmd := range run.Commands {
		// A shell whose script was read does what the commands in it do.
		if shells[cmd.Name] && n+1 < len(run.Commands) && within(run.Commands[n+1], cmd) {
			e.Touches = append(e.Touches, Touch{Command: cmd})
			continue
		}
		ofImage := newCall(cmd, state, unset).ofImage
		e.add(newCall(cmd.ExpandFirst(func(name string) (string, bool) {
			value, ok := ofImage(name)
			script := run.Script + " " + strings.Join(run.Exec, " ")
			if name == "IFS" {
				return value, ok || !dockerfile.SetOnlyBy(script, name, "")
			}
			return value, ok && dockerfile.SetOnlyBy(script, name, "")
		}), state, unset))
		if cmd.Name == "unset" && len(cmd.Words) > 1 {
			for _, w := range cmd.Words[1:] {
				if w.Literal {
					unset[w.Value] = true
				}
			}
		}
	}
	return e
}

var shells = map[string]bool{"sh": true, "bash": true, "ash": true, "dash": true}

func within(inner, outer *dockerfile.Command) bool {
	return inner.Nested > outer.Nested && inner.Span.Start >= outer.Words[len(outer.Words)-1].Span.Start && inner.Span.End <= outer.Span.End
}

func (e *Effects) add(c *call) {
	kind := c.classify()
	e.fetches(c, kind)
	e.ownership(c)
	switch {
	case kind.install != nil:
		e.Installs = append(e.Installs, *kind.install)
	case kind.update != nil:
		e.Updates = append(e.Updates, *kind.update)
	case kind.packages != nil:
		e.Packages = append(e.Packages, *kind.packages)
	case kind.known:
		e.Touches = append(e.Touches, Touch{Command: c.cmd, Paths: kind.paths})
		switch {
		case kind.cleans != nil:
			e.Removals = append(e.Removals, Removal{Command: c.cmd, Paths: kind.cleans, Whole: kind.cleans})
		case kind.removes || kind.cacheOf != "":
			e.Removals = append(e.Removals, Removal{Command: c.cmd, Paths: kind.paths, Whole: kind.whole, Tool: kind.cacheOf})
		}
		if kind.uninstall != nil {
			e.Uninstalls = append(e.Uninstalls, *kind.uninstall)
		}
	default:
		e.Unknown = append(e.Unknown, c.cmd)
	}
}

// kind is what one command is: at most one of its fields is set.
type kind struct {
	install  *Install
	update   *IndexUpdate
	packages *PackageInstall
	known    bool // harmless but for paths
	paths    []string
	removes  bool
	whole    []string // paths that it removes with everything in them
	cleans   []string // directories of the system's package manager that it empties
	cacheOf  string
	// uninstall goes with known.
	uninstall *PackageRemoval
}

var unknown = kind{}

// classify finds the command in the table.
func (c *call) classify() kind {
	if c.name == "" {
		return unknown
	}
	if k, ok := c.python(); ok {
		return k.unlessHelp(c).withRedirects(c)
	}
	if k, ok := c.otherInstaller(); ok {
		return k.unlessHelp(c).withRedirects(c)
	}
	if k, ok := c.systemPackages(); ok {
		return k.withRedirects(c)
	}
	return c.harmless().withRedirects(c)
}

// unlessHelp takes an install for what it is where it only asks how to: all installers put out their usage then
// and end.
func (k kind) unlessHelp(c *call) kind {
	if k.install == nil {
		return k
	}
	for _, a := range c.args {
		if a.known && a.text == "--" {
			break
		}
		if a.known && (a.text == "--help" || a.text == "-h" && (k.install.Tool == "pip" || k.install.Tool == "uv" || k.install.Tool == "poetry")) {
			return kind{known: true}
		}
	}
	return k
}

// withRedirects adds the files that redirections name to what a known command touches.
func (k kind) withRedirects(c *call) kind {
	if !k.known && k.install == nil && k.packages == nil && k.update == nil {
		return k
	}
	for _, r := range c.cmd.Redirects {
		switch {
		case strings.HasPrefix(r.Op, "<<"), r.Target.Value == "/dev/null", strings.HasSuffix(r.Op, "&") && isNumber(r.Target.Value):
			continue
		}
		p, ok := c.touched(c.expand(r.Target))
		if !ok {
			if k.known {
				return unknown
			}
			continue
		}
		if k.known {
			k.paths = append(k.paths, p)
		}
	}
	return k
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789-") == "" }

// Removes says whether a RUN takes a directory away after a command: by name, by a directory above
// it, by everything in it, or by the tool's own command.
func (e Effects) Removes(dir, tool string, after *dockerfile.Command) bool {
	for _, r := range e.Removals {
		if r.Command.Span.Start < after.Span.Start {
			continue
		}
		if r.Tool != "" && r.Tool == tool {
			return true
		}
		for _, p := range r.Paths {
			if dir != "" && Covers(strings.TrimSuffix(strings.TrimSuffix(p, "*"), "/"), dir) {
				return true
			}
		}
	}
	return false
}

// Covers says whether a directory is another path or holds it.
func Covers(dir, p string) bool {
	if dir == "/" || dir == "" {
		return dir == "/"
	}
	return p == dir || strings.HasPrefix(p, dir+"/")
}

// Overlaps says whether one of two paths holds the other.
func Overlaps(a, b string) bool { return Covers(a, b) || Covers(b, a) }
