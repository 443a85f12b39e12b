package rules

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// made is something that a step leaves in its layer.
type made struct {
	by      *dockerfile.Instruction
	what    Text   // "the clone `/src`"; nil for packages
	path    string // absolute; "" for packages
	tool    string // whose cache or package it is
	name    string // of a package
	subject string
	copied  bool
	part    bool // of what a COPY brings
	filled  bool // by steps below the one that made it
}

// maxMade bounds what one stage makes, as far as it is followed.
const maxMade = 2000

// nodeCaches are where the package managers of Node.js keep what the root user fetched.
// Source: https://docs.npmjs.com/cli/commands/npm-cache, https://classic.yarnpkg.com/en/docs/cli/cache
var nodeCaches = map[string]string{"npm": "/root/.npm", "yarn": "/usr/local/share/.cache/yarn"}

// condaPackages is where conda, mamba and micromamba keep what they downloaded in most images that have them.
// Source: https://github.com/ContinuumIO/docker-images, https://github.com/mamba-org/micromamba-docker
const condaPackages = "/opt/conda/pkgs"

// makes are the things that a step leaves in its layer, as far as that is certain.
func (p *Pass) makes(lane []step, i int) []made {
	in := lane[i].in
	switch in.Keyword {
	case "COPY", "ADD":
		return p.copiesMade(in)
	case "RUN":
	default:
		return nil
	}
	e := p.effectsOf(in)
	if e.Unread {
		return nil
	}
	var out []made
	add := func(m made) {
		if m.path != "" && (p.mountedAt(in, m.path) || e.Removes(m.path, m.tool, in.Run().Commands[0])) {
			return
		}
		m.by = in
		if !slices.ContainsFunc(out, func(o made) bool { return o.subject == m.subject }) {
			out = append(out, m)
		}
	}
	if p.keepsLists(in) != nil {
		add(made{what: say("apt's package index"), path: shelleffects.AptLists, tool: "apt", subject: shelleffects.AptLists})
	}
	for _, install := range e.Installs {
		if p.keepsCache(lane, i, in, e, install) {
			add(made{what: say(install.Tool, "'s cache"), path: cacheDirs(install)[len(cacheDirs(install))-1], tool: install.Tool, subject: install.CacheDir})
		}
	}
	for _, install := range e.Installs {
		// Which directory it is hangs on the installation; a cache mount may well be it.
		cached := slices.ContainsFunc(p.mountsOf(in), func(m mount) bool { return m.kind == "cache" })
		if install.Tool == "conda" && install.Command.Straight && !cached {
			add(made{what: say("conda's packages"), path: condaPackages, tool: "conda", subject: condaPackages})
		}
	}
	for _, install := range e.Installs {
		dir, ok := nodeCaches[install.Tool]
		if state := p.states[in]; ok && install.Command.Straight && !install.Command.OtherUser && state.UserKnown && isRoot(state.User) && !removesNamed(in.Run(), path.Base(dir)) {
			add(made{what: say(install.Tool, "'s cache"), path: dir, tool: install.Tool, subject: dir})
		}
	}
	for _, install := range e.Installs {
		for _, dir := range install.Writes {
			if path.Base(dir) == "node_modules" && path.IsAbs(dir) && install.Command.Straight {
				add(made{what: say(code(dir)), path: dir, subject: dir})
			}
		}
	}
	for _, k := range e.Packages {
		if k.Upgrade || !k.Command.Straight {
			continue
		}
		if k.Tool != "apt" && k.Tool != "apk" {
			dir := shelleffects.PackageCaches(k.Tool)[0]
			add(made{what: say(k.Tool, "'s cache"), path: dir, tool: k.Tool, subject: dir})
		}
		for _, name := range append(slices.Clone(k.Names), k.Group) {
			if name != "" && !p.takenAway(e, k, name) {
				add(made{tool: k.Tool, name: name, subject: k.Tool + " " + name})
			}
		}
	}
	for _, f := range e.Fetches {
		if f.How == shelleffects.FetchClone && f.Dir != "" && f.Command.Straight {
			add(made{what: say("the clone ", code(f.Dir)), path: f.Dir, subject: f.Dir})
		}
	}
	for _, c := range in.Run().Commands {
		if file := p.downloads(in, c); file != "" {
			add(made{what: say("the download ", code(file)), path: file, subject: file})
		}
	}
	for _, dir := range p.directoriesMade(lane, i) {
		add(made{what: say(code(dir)), path: dir, subject: dir, filled: true})
	}
	return out
}

// removesNamed says whether a RUN removes something of a name, wherever that lies: "rm -rf .npm" in a
// directory which is not known may well be in the home directory.
func removesNamed(run *dockerfile.Run, name string) bool {
	return slices.ContainsFunc(run.Commands, func(c *dockerfile.Command) bool {
		return c.Name == "rm" && slices.ContainsFunc(c.Words[1:], func(w dockerfile.Word) bool {
			return path.Base(strings.TrimRight(w.Value, "/*")) == name
		})
	})
}

// mountedAt says whether a path is in a mount of a RUN, whatever its kind.
func (p *Pass) mountedAt(in *dockerfile.Instruction, file string) bool {
	return slices.ContainsFunc(p.mountsOf(in), func(m mount) bool {
		return !m.targetKnown || shelleffects.Overlaps(path.Clean(m.target), file)
	})
}

// takenAway says whether a RUN takes a package away that it installed.
func (p *Pass) takenAway(e shelleffects.Effects, k shelleffects.PackageInstall, name string) bool {
	return slices.ContainsFunc(e.Uninstalls, func(u shelleffects.PackageRemoval) bool {
		return u.Tool == k.Tool && slices.Contains(u.Names, name)
	})
}

// downloads is the file that curl or wget writes; "" where it is not known, is put out, or moved on.
func (p *Pass) downloads(in *dockerfile.Instruction, c *dockerfile.Command) string {
	if c.Name != "curl" && c.Name != "wget" || !c.Straight || !c.DirKnown || len(c.Redirects) > 0 {
		return ""
	}
	name, remote := "", c.Name == "wget"
	for n, w := range c.Words[1:] {
		next := ""
		if n+2 < len(c.Words) && c.Words[n+2].Literal {
			next = c.Words[n+2].Value
		}
		attached, names := outputOption(c.Name, w.Value)
		switch {
		case !w.Literal:
		case names:
			if name = cmp.Or(attached, next); name == "" || name == "-" {
				return ""
			}
		case c.Name == "curl" && (w.Value == "--remote-name" || remoteName.MatchString(w.Value)):
			remote = true
		case c.Name == "wget" && elsewhereName.MatchString(w.Value), c.Name == "curl" && strings.HasPrefix(w.Value, "--output-dir"):
			return "" // another directory
		case name == "" && strings.Contains(w.Value, "://"):
			if address, _, _ := strings.Cut(w.Value, "?"); remote {
				name = path.Base(address)
			}
		}
	}
	if name == "" {
		return ""
	}
	if !path.IsAbs(name) {
		dir := c.Dir
		if !path.IsAbs(dir) {
			dir = path.Join(p.states[in].Workdir, dir)
		}
		name = path.Join(dir, name)
	}
	for _, o := range in.Run().Commands {
		if o.Span.Start > c.Span.Start && (o.Name == "mv" || o.Name == "rm") {
			for _, w := range o.Words[1:] {
				if path.Base(w.Value) == path.Base(name) || !w.Literal && !findsElsewhere(w.Value, name) {
					return ""
				}
			}
		}
	}
	return path.Clean(name)
}

// remoteName are options of curl, without values, with the one that takes the file's name from the address.
// Source: curl's manual page.
var remoteName = lazyregexp.New(`^-[#0-9afgijJkLlnNqRsSvZ]*O[#0-9afgijJkLlnNOqRsSvZ]*$`)

// elsewhereName are options of wget that name the directory, or a file from which it reads more addresses.
var elsewhereName = lazyregexp.New(`^-[A-Za-z]*[Pi]|^--(directory|input-file|force-directories)`)

// outputFlags are the options with a file's name, behind others without values: curl's -o, wget's -O.
// Source: curl's and wget's manual pages.
var outputFlags = map[string]*lazyregexp.Regexp{
	"curl": lazyregexp.New(`^-[#0-9afgijJkLlnNqRsSvZ]*o(.*)$|^--output(?:=(.*))?$`),
	"wget": lazyregexp.New(`^-(?:[bcdFkKmNpqrSvx46]|nv|nc|nd|nH)*O(.*)$|^--output-document(?:=(.*))?$`),
}

// outputOption says whether a word is the option of curl or wget that names the file to write, and which name it has
// in itself.
func outputOption(program, word string) (attached string, ok bool) {
	m := outputFlags[program].FindStringSubmatch(word)
	if m == nil {
		return "", false
	}
	return m[1] + m[2], true
}

// findsElsewhere says whether a word is a pattern below a directory in which a file does not lie.
func findsElsewhere(word, file string) bool {
	n := strings.IndexAny(word, "*?[")
	return n > 0 && path.IsAbs(word) && !strings.ContainsAny(word, "$`\"'{\\") && !shelleffects.Covers(path.Dir(word[:n]+"x"), path.Clean(file))
}

// directoriesMade are the directories that a RUN makes by mkdir, where steps below that could not be
// read, or that name them, put something there.
func (p *Pass) directoriesMade(lane []step, i int) []string {
	var out []string
	for _, t := range p.effectsOf(lane[i].in).Touches {
		if t.Command.Name != "mkdir" || !t.Command.Straight {
			continue
		}
		for _, dir := range t.Paths {
			if strings.Count(dir, "/") >= 1 && dir != "/" && p.filledBelow(lane, i, dir) {
				out = append(out, dir)
			}
		}
	}
	return out
}

func (p *Pass) filledBelow(lane []step, i int, dir string) bool {
	for _, st := range lane[i+1:] {
		e := p.effectsOf(st.in)
		for _, r := range e.Removals {
			if slices.ContainsFunc(r.Whole, func(w string) bool { return shelleffects.Covers(w, dir) }) {
				return false
			}
		}
		for _, c := range e.Unknown {
			if strings.Contains(c.Words[0].Value, "/") || c.Name == "bash" || c.Name == "sh" || slices.ContainsFunc(c.Words, func(w dockerfile.Word) bool { return strings.HasPrefix(w.Value, dir) }) {
				return true
			}
		}
	}
	return false
}

// Copies of fewer files than this, and smaller ones, are not worth a word.
const (
	manyFiles = 10
	smallSize = 1 << 20
)

// partsCopied are the directories in what a COPY brings from another stage that are there for certain, relative to it: a
// COPY of the same stage names them.
func (p *Pass) partsCopied(in *dockerfile.Instruction, cmd *instructions.CopyCommand) []string {
	if len(cmd.SourcePaths) != 1 || !path.IsAbs(cmd.SourcePaths[0]) || len(cmd.ExcludePatterns) > 0 || cmd.Parents {
		return nil
	}
	whole, known := shelleffects.Expand(cmd.SourcePaths[0], p.states[in].Env)
	var out []string
	for _, other := range p.File.Instructions {
		same, ok := other.Command.(*instructions.CopyCommand)
		if !known || !ok || other == in || !strings.EqualFold(same.From, cmd.From) {
			continue
		}
		for _, src := range same.SourcePaths {
			src, known := shelleffects.Expand(src, p.states[other].Env)
			if rest, below := strings.CutPrefix(src, strings.TrimSuffix(whole, "/")+"/"); known && below && path.Ext(src) == "" && !strings.ContainsAny(src, "*?[") {
				out = append(out, path.Clean(rest))
			}
		}
	}
	return out
}

// copiesMade are the destinations of a COPY that brings something large: from another stage, archives,
// many files.
func (p *Pass) copiesMade(in *dockerfile.Instruction) []made {
	state := p.states[in]
	if cmd, ok := in.Command.(*instructions.CopyCommand); ok && cmd.From != "" {
		dest, known := shelleffects.Expand(cmd.DestPath, state.Env)
		// Only what looks like a directory is taken for large.
		file := slices.ContainsFunc(cmd.SourcePaths, func(src string) bool { return path.Ext(src) != "" || strings.ContainsAny(src, "*?[") })
		if !known || file || !path.IsAbs(dest) && !state.WorkdirKnown {
			return nil
		}
		if !path.IsAbs(dest) {
			dest = path.Join(state.Workdir, dest)
		}
		dest = path.Clean(dest)
		out := []made{{by: in, what: say("the copy in ", code(dest)), path: dest, subject: dest, copied: true}}
		for _, part := range p.partsCopied(in, cmd) {
			part = path.Join(dest, part)
			out = append(out, made{by: in, what: say("the copy in ", code(part)), path: part, subject: part, copied: true, part: true})
		}
		return out
	}
	var out []made
	for _, c := range p.copiesOf(in) {
		if !c.destKnown || c.relative && !state.WorkdirKnown || c.odd {
			continue
		}
		if large, size := c.large(p.Context.Tree); !large && (size > 0 || len(c.pairs) < manyFiles) {
			continue
		}
		dest := c.dest
		if len(c.pairs) == 1 || len(c.pairs) == 2 && c.pairs[0].context == c.pairs[1].context {
			dest = c.pairs[len(c.pairs)-1].image
			if !c.destDir {
				dest = c.pairs[0].image
			}
		}
		out = append(out, made{by: in, what: say("the copy in ", code(dest)), path: dest, subject: dest, copied: true})
	}
	if file := p.addedFile(in); file != "" {
		out = append(out, made{by: in, what: say("the download ", code(file)), path: file, subject: file})
	}
	return out
}

// packed are the endings of files that somebody downloads to take out what is in them.
var packed = []string{".zip", ".7z", ".deb", ".rpm", ".whl"}

// addedFile is the archive or package that an ADD downloads, as a path of the image; "" where it brings something else,
// unpacks it, or the path is not known.
// Source: https://docs.docker.com/reference/dockerfile/#add.
func (p *Pass) addedFile(in *dockerfile.Instruction) string {
	cmd, ok := in.Command.(*instructions.AddCommand)
	if !ok || len(cmd.SourcePaths) != 1 || cmd.Unpack != nil && *cmd.Unpack {
		return ""
	}
	state := p.states[in]
	address, addressKnown := shelleffects.Expand(cmd.SourcePaths[0], state.Env)
	dest, known := shelleffects.Expand(cmd.DestPath, state.Env)
	name, _, _ := strings.Cut(address, "?")
	name = path.Base(name)
	if !known || !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") ||
		!isArchive(name) && !slices.Contains(packed, path.Ext(name)) || !path.IsAbs(dest) && !state.WorkdirKnown {
		return ""
	}
	if strings.HasSuffix(dest, "/") || dest == "." {
		if !addressKnown {
			return ""
		}
		dest = path.Join(dest, name)
	}
	if !path.IsAbs(dest) {
		dest = path.Join(state.Workdir, dest)
	}
	return path.Clean(dest)
}
