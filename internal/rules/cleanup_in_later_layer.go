package rules

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

var _ = register(&Rule{
	ID:       "cleanup-in-later-layer",
	Title:    "Files are removed in another layer than the one that made them",
	Severity: config.SeverityWarning,
	What: "A `RUN` of a stage that is part of the image removes what an earlier step of the stage, or of the stages that it is made from, certainly put there: package indexes and caches, downloads, clones, copied directories and archives, `node_modules`, " +
		"packages of the system.",
	Why: "Each step is a layer of its own, and a layer keeps its files whatever later ones do: they are hidden, not gone. " +
		"The image is as large as without the removal, and every pull brings them along.",
	Fix: "Where the two `RUN`s are neighbours and one `RUN` is equal (same mounts, no `cd`, variable, option or trap that reaches the second, no failure that is passed over), they become one.",
	Not: "Stages whose layers do not reach the image: what counts there is what the last stage copies. Wildcards that name a part of a directory, small files, what the removing `RUN` made itself, and copies that it removes under a condition. " +
		"Merging all `RUN`s is no aim: an edit to one command then runs all of them again.",
	Sources: []Source{
		{"Docker: best practices, RUN", "https://docs.docker.com/build/building/best-practices/#run"},
		{"OCI image format: whiteouts", "https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts"},
		{"Docker: multi-stage builds", "https://docs.docker.com/build/building/multi-stage/"},
	},
	Check: checkLateCleanup,
})

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

func checkLateCleanup(p *Pass) {
	for _, stage := range p.File.Stages {
		if !p.shipped[stage] || p.states == nil {
			continue
		}
		p.follow(stage, p.leftBy(stage.Parent, 0), func(lane []step, i int, gone []made) { p.reportLate(lane, i, gone) })
	}
}

// leftBy are the things that a stage leaves in its layers, and the stages that it is made from.
func (p *Pass) leftBy(stage *dockerfile.Stage, depth int) []made {
	if stage == nil || depth > maxStages {
		return nil
	}
	return p.follow(stage, p.leftBy(stage.Parent, depth+1), func([]step, int, []made) {})
}

// follow goes through a stage with what is there above it, tells of each step what it removes of that, and returns what
// is left.
func (p *Pass) follow(stage *dockerfile.Stage, there []made, removed func(lane []step, i int, gone []made)) []made {
	lane := p.lanes(stage)[0]
	for i, st := range lane {
		gone := p.removedBy(st.in, there)
		if len(gone) > 0 {
			removed(lane, i, gone)
			there = slices.DeleteFunc(there, func(m made) bool {
				return slices.ContainsFunc(gone, func(g made) bool { return g.subject == m.subject && g.by == m.by })
			})
		}
		if len(there) < maxMade {
			there = append(there, p.makes(lane, i)...)
		}
	}
	return there
}

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

// removedBy are the things that a RUN removes and an earlier step made.
func (p *Pass) removedBy(in *dockerfile.Instruction, there []made) []made {
	e := p.effectsOf(in)
	if in.Run() == nil || e.Unread || len(e.Removals)+len(e.Uninstalls) == 0 {
		return nil
	}
	type pkg struct{ tool, name string }
	taken := map[pkg]bool{}
	for _, u := range e.Uninstalls {
		for _, name := range u.Names {
			taken[pkg{u.Tool, name}] = true
		}
	}
	var out []made
	for _, m := range there {
		if m.name != "" {
			if taken[pkg{m.tool, m.name}] && !p.installsAgain(e, m) {
				out = append(out, m)
			}
			continue
		}
		if p.ownUse(e, m) || p.mountedAt(in, m.path) {
			continue
		}
		if slices.ContainsFunc(e.Removals, func(r shelleffects.Removal) bool {
			if m.copied && !r.Command.Straight {
				return false // under a condition the step rather puts something else in its place
			}
			return r.Tool != "" && r.Tool == m.tool || slices.ContainsFunc(r.Whole, func(dir string) bool { return shelleffects.Covers(dir, m.path) && dir != "/" })
		}) {
			out = append(out, m)
		}
	}
	return out
}

func (p *Pass) installsAgain(e shelleffects.Effects, m made) bool {
	return slices.ContainsFunc(e.Packages, func(k shelleffects.PackageInstall) bool {
		return k.Tool == m.tool && (slices.Contains(k.Names, m.name) || k.Group == m.name)
	})
}

// ownUse says whether a RUN fills a cache or an index itself: then it cleans up after itself.
func (p *Pass) ownUse(e shelleffects.Effects, m made) bool {
	if m.tool == "" {
		return false
	}
	installs := slices.ContainsFunc(e.Packages, func(k shelleffects.PackageInstall) bool { return sameManager(k.Tool, m.tool) })
	if installs && m.path == shelleffects.AptLists {
		// apt's installs read an index and fetch none; a command that is not known may. Where the update stands alone,
		// apt-update-alone speaks of both.
		both := slices.ContainsFunc(p.effectsOf(m.by).Packages, func(k shelleffects.PackageInstall) bool { return k.Tool == "apt" && !k.Upgrade })
		installs = !both || len(e.Unknown) > 0
	}
	return installs ||
		slices.ContainsFunc(e.Updates, func(u shelleffects.IndexUpdate) bool { return u.Tool == m.tool }) ||
		slices.ContainsFunc(e.Installs, func(i shelleffects.Install) bool { return i.Tool == m.tool })
}

// sameManager says whether two names are one package manager: yum is a name of dnf where there is dnf.
// Source: https://docs.fedoraproject.org/en-US/quick-docs/dnf/.
func sameManager(a, b string) bool {
	return a == b || a == "yum" && b == "dnf" || a == "dnf" && b == "yum"
}

func (p *Pass) reportLate(lane []step, i int, gone []made) {
	in, first := lane[i].in, gone[0]
	f := Finding{
		Subject: subjectOf(gone),
		Done:    say("What is removed is no longer part of an earlier layer."),
	}
	for _, m := range gone {
		if place := p.place(m.by); !slices.Contains(f.Related, place) {
			f.Related = append(f.Related, place)
		}
	}
	things := thingsRemoved(gone)
	f.Title = say("Removing ", things, " in a later layer frees nothing.")
	f.Here = say("This removes ", things, ", and frees nothing.")
	f.Why = say("The layer of line ", p.line(first.by), " keeps what it holds: later layers only hide it, and every pull of the image brings it along.")
	switch {
	case first.filled:
		f.Why = say("The layers of the steps that filled it keep what they hold: later layers only hide it, and every pull of the image brings it along.")
		f.Advice = say("Remove it in the RUN that fills it.")
	case first.part:
		f.Advice = say("Copy what is needed and no more, or remove it in the stage that it comes from.")
	case first.copied:
		f.Advice = say("Mount it for the step that needs it, instead of copying it: ", code(mountFor(first)), ".")
	case first.path == shelleffects.AptLists && slices.ContainsFunc(p.effectsOf(in).Packages, func(k shelleffects.PackageInstall) bool { return k.Tool == "apt" }):
		f.Advice = say("This step installs from it: install in the RUN that fetches it (line ", p.line(first.by), "), and remove it there.")
	case first.name != "" || path.Base(first.path) == "node_modules":
		f.Advice = say("Install, use and remove them in one RUN, or build in a stage of its own and copy the result.")
	case first.by.Keyword == "ADD":
		f.Advice = say("Download it in the RUN that uses it, and remove it there.")
	case p.neededBetween(lane, i, first):
		f.Advice = say("Make it, use it and remove it in one RUN.")
	default:
		f.Advice = say("Remove it in the RUN that makes it (line ", p.line(first.by), ").")
	}
	var reason Reason
	switch {
	case first.by.Keyword != "RUN" || first.filled:
	case first.by.Stage != in.Stage:
		reason = InOtherStage
	case i == 0 || slices.ContainsFunc(gone, func(m made) bool { return m.by != lane[i-1].in }):
		reason = StepsBetween
	case !p.onlyCleans(in):
		reason = CleanupDoesMore
	default:
		f.Unit, reason = p.mergeRuns(first.by, in)
	}
	f.Withheld = string(reason)
	p.report(in, f)
}

// neededBetween says whether a step between the one that makes something and the one that removes it may need it.
func (p *Pass) neededBetween(lane []step, i int, m made) bool {
	at := slices.IndexFunc(lane, func(st step) bool { return st.in == m.by })
	if m.tool == "apt" && at >= 0 {
		return slices.ContainsFunc(p.reliesOn(lane, at, "apt"), func(r reliance) bool { return r.sameWay && r.i < i })
	}
	if m.tool != "" {
		return false // a cache is filled again
	}
	for _, st := range lane[at+1 : i] {
		e := p.effectsOf(st.in)
		if e.Unread || len(e.Unknown) > 0 || slices.ContainsFunc(e.Touches, func(t shelleffects.Touch) bool {
			return slices.ContainsFunc(t.Paths, func(touched string) bool { return shelleffects.Overlaps(touched, m.path) })
		}) || slices.ContainsFunc(e.Installs, func(install shelleffects.Install) bool {
			return install.NeedsSource != "" || len(install.Manifests) > 0
		}) || slices.ContainsFunc(e.Packages, func(k shelleffects.PackageInstall) bool { return len(k.Files) > 0 }) {
			return true
		}
	}
	// The step that removes it may use it first.
	e := p.effectsOf(lane[i].in)
	return len(e.Unknown) > 0 || slices.ContainsFunc(e.Touches, func(t shelleffects.Touch) bool {
		return !slices.ContainsFunc(e.Removals, func(r shelleffects.Removal) bool { return r.Command == t.Command }) &&
			slices.ContainsFunc(t.Paths, func(touched string) bool { return shelleffects.Overlaps(touched, m.path) })
	})
}

// subjectOf is what a removal is about: of several things the first that no other rule speaks of, since caches
// and indexes go when an edit for another rule is made.
func subjectOf(gone []made) string {
	for _, m := range gone {
		if m.tool == "" || m.name != "" {
			return m.subject
		}
	}
	return gone[0].subject
}

// thingsRemoved names up to three things: the packages by their names, or the others.
func thingsRemoved(gone []made) Text {
	var packages []string
	var others []Text
	seen := map[string]bool{}
	for _, m := range gone {
		key := m.name + "\x00" + m.what.String()
		if seen[key] {
			continue
		}
		seen[key] = true
		if m.name != "" {
			packages = append(packages, m.name)
		} else {
			others = append(others, m.what)
		}
	}
	if len(packages) > 0 {
		others = append(others, say("the package"+plural(len(packages))+" ", list(packages)))
	}
	out := others[0]
	for k, t := range others[1:min(len(others), 3)] {
		if k+2 == len(others) {
			out = say(out, " and ", t)
		} else {
			out = say(out, ", ", t)
		}
	}
	if n := len(others) - 3; n > 0 {
		out = say(out, " and ", n, " more")
	}
	return out
}

// mountFor is the mount that takes the place of a COPY.
func mountFor(m made) string {
	from := ""
	if cmd, ok := m.by.Command.(*instructions.CopyCommand); ok {
		if cmd.From != "" {
			from = ",from=" + cmd.From
		}
		if len(cmd.SourcePaths) == 1 {
			from += ",source=" + cmd.SourcePaths[0]
		}
	}
	return "--mount=type=bind" + from + ",target=" + m.path
}

// onlyCleans says whether a RUN does nothing but clean up.
func (p *Pass) onlyCleans(in *dockerfile.Instruction) bool {
	e := p.effectsOf(in)
	return len(e.Unknown)+len(e.Installs)+len(e.Packages)+len(e.Updates) == 0
}
