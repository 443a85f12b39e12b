package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// moveCopy is the edit of copy-before-install: a COPY of the manifests in the old one's place, the
// old one below the last install that it stands in front of.
func (p *Pass) moveCopy(g *installGroup) (*Unit, Reason) {
	c := g.copy
	switch {
	case c.in.Stage == nil || len(g.lane) > 0 && g.lane[0].in != g.lane[0].outer:
		return nil, InOnBuild
	case c.mount:
		return nil, CopyOptions
	case slices.ContainsFunc(g.runs, func(s served) bool { return s.scripted }):
		return nil, NotProven
	case g.at < 0:
		return nil, StepBetween // other stages build on it as it stands
	}
	if reason := p.movable(c); reason != "" {
		return nil, reason
	}
	last := g.runs[len(g.runs)-1].i
	if reason := p.stepsBetween(g, last); reason != "" {
		return nil, reason
	}
	files, reason := p.manifestFiles(g)
	if reason != "" {
		return nil, reason
	}
	if reason := p.overwrites(g); reason != "" {
		return nil, reason
	}
	return p.moveEdits(c, g.lane[last].in, files)
}

var plainFlags = map[string]bool{"chown": true, "chmod": true, "link": true}

// movable looks at the COPY alone.
func (p *Pass) movable(c *copied) Reason {
	switch {
	case c.odd && c.in.Keyword == "ADD":
		return ArchiveOrRemote
	case c.odd:
		return CopyOptions
	}
	for _, f := range c.in.Flags {
		if !plainFlags[f.Name] {
			return CopyOptions
		}
	}
	remote := 0
	for _, a := range c.in.Args {
		written := p.textOf(a.Span)
		switch {
		case written == "" || strings.ContainsAny(written, "\"'[]\\`"):
			return CopyOptions // JSON form and quotes
		case isRemote(written):
			remote++
		}
	}
	if remote > 0 {
		return ArchiveOrRemote
	}
	for _, s := range c.sources {
		if !s.known {
			return Unconfigured
		}
	}
	if !c.destKnown || c.relative && !p.states[c.in].WorkdirKnown {
		return DestinationOpen
	}
	return ""
}

// stepsBetween looks at what runs between the COPY and the last install, and at what else the RUNs
// of the installs do.
func (p *Pass) stepsBetween(g *installGroup, last int) Reason {
	c := g.copy
	if c.relative && p.states[g.lane[last].in].Workdir != p.states[c.in].Workdir {
		return DestinationOpen
	}
	variables := strings.Contains(p.textOf(c.in.Span), "$")
	for j := g.at + 1; j <= last; j++ {
		in := g.lane[j].in
		switch in.Keyword {
		case "RUN":
			if in.Run() == nil || in.Run().Err != nil {
				return ScriptUnread
			}
			if reason := p.installsAllow(g, j); reason != "" {
				return reason
			}
			if !p.independent(in, c, nil) {
				if p.makesNew(in, c) {
					return IgnoreFirst
				}
				return StepBetween
			}
		case "COPY", "ADD":
			if !p.crosses(in, c) {
				continue
			}
			return CopiesCross
		case "ENV", "ARG":
			if variables {
				return ValuesBetween
			}
		case "WORKDIR":
			if dir := p.workdirAfter(g.lane, j, last); dir != c.dest && shelleffects.Covers(c.dest, dir) {
				return DirectoryOwner
			}
		}
	}
	return ""
}

// makesNew says whether a RUN's commands touch nothing of what a copy brings, but make something
// below its destination that it could bring too, where it is not ignored.
func (p *Pass) makesNew(in *dockerfile.Instruction, c *copied) bool {
	e := p.effectsOf(in)
	if e.Unread || len(e.Unknown) > 0 || c.unseen() {
		return false
	}
	for _, t := range e.Touches {
		for _, touched := range t.Paths {
			if p.apart(touched, c) {
				continue
			}
			if touched == c.dest || !shelleffects.Covers(c.dest, touched) ||
				slices.ContainsFunc(c.pairs, func(pr pair) bool { return shelleffects.Covers(touched, pr.image) }) {
				return false
			}
		}
	}
	return true
}

// workdirAfter is the directory that a WORKDIR sets.
func (p *Pass) workdirAfter(lane []step, j, last int) string {
	if j+1 <= last {
		return p.states[lane[j+1].in].Workdir
	}
	return p.states[lane[last].in].Workdir
}

// installsAllow looks at the installs of a RUN between: those that need the source stay below it.
func (p *Pass) installsAllow(g *installGroup, j int) Reason {
	in := g.lane[j].in
	for _, install := range p.effectsOf(in).Installs {
		if p.fromClone(g.lane, j, install) {
			return NotProven
		}
		if install.NeedsSource != "" && (install.Leaves == "" || p.isPackage(p.reads(g.lane, j, install), install)) {
			return NeedsSource
		}
		if install.Bare() {
			continue
		}
		if install.Tool == "bundler" || install.Tool == "composer" {
			return NotProven // a Gemfile is a program, and composer writes an autoloader of the source
		}
	}
	return ""
}

// crosses says whether another COPY or ADD writes where a copy does. The same file at the same place
// is no harm.
func (p *Pass) crosses(in *dockerfile.Instruction, c *copied) bool {
	own := p.copiesOf(in)
	if cmd, ok := in.Command.(*instructions.CopyCommand); len(own) == 0 || ok && cmd.From != "" {
		if len(in.Args) == 0 {
			return true
		}
		dest, known := shelleffects.Expand(in.Args[len(in.Args)-1].Value, p.states[in].Env)
		if !known {
			return true
		}
		if !path.IsAbs(dest) {
			dest = path.Join("/", p.states[in].Workdir, dest)
		}
		return shelleffects.Overlaps(path.Clean(dest), c.dest)
	}
	for _, o := range own {
		if !o.destKnown {
			return true
		}
		if !shelleffects.Overlaps(o.dest, c.dest) {
			continue
		}
		if o.unseen() || o.odd {
			return true
		}
		brings := map[string]string{}
		for _, pr := range c.pairs {
			brings[pr.image] = pr.context
		}
		for _, pr := range o.pairs {
			if file, ok := brings[pr.image]; ok && file != pr.context {
				return true
			}
		}
	}
	return false
}

// manifestFiles are the files of the context that the COPY brings and the installs read.
func (p *Pass) manifestFiles(g *installGroup) ([]pair, Reason) {
	var files []pair
	add := func(file string) Reason {
		for _, pr := range g.copy.pairs {
			if pr.context != file {
				continue
			}
			if e, ok := p.Context.Tree.Lookup(file); !ok || e.Mode == "120000" {
				return ManifestLink
			}
			if !slices.Contains(files, pr) {
				files = append(files, pr)
			}
			return ""
		}
		return ManifestMissing
	}
	for _, s := range g.runs {
		for n, install := range s.installs {
			r := s.reads[n]
			if install.Bare() && !listsElsewhere(install) {
				continue
			}
			switch {
			case install.Unclear || !install.DirKnown:
				return nil, ManifestUnknown
			case len(r.absent) > 0:
				return nil, ManifestMissing
			case p.Context == nil:
				return nil, Unconfigured
			}
			if r.err != nil {
				return nil, ManifestUnknown
			}
			if r.set != nil {
				if len(r.set.Missing) > 0 {
					return nil, ManifestMissing
				}
				if len(r.set.Local()) > 0 {
					return nil, NeedsSource
				}
			}
			if reason := p.configuration(g, install, r); reason != "" {
				return nil, reason
			}
			for _, l := range r.named {
				if l.file == "" {
					return nil, ManifestMissing
				}
				if l.by != g.copy || p.broughtAbove(g, l.file) {
					continue // another COPY brings it
				}
				if reason := add(l.file); reason != "" {
					return nil, reason
				}
			}
			if r.set == nil {
				continue
			}
			for _, f := range r.set.Files {
				file := contextPath(p.Context, f.Source.Path)
				if p.broughtAbove(g, file) {
					continue
				}
				if reason := add(file); reason != "" {
					return nil, reason
				}
			}
		}
	}
	return files, ""
}

// broughtAbove says whether a COPY other than the one that moves brings a file to where that one
// would.
func (p *Pass) broughtAbove(g *installGroup, file string) bool {
	image := ""
	for _, pr := range g.copy.pairs {
		if pr.context == file {
			image = pr.image
			break
		}
	}
	last := g.runs[len(g.runs)-1].i
	for _, c := range p.above(g.lane, last) {
		if c == g.copy || c.mount {
			continue
		}
		for _, pr := range c.pairs {
			if pr.context == file && (image == "" || pr.image == image) {
				return true
			}
		}
	}
	return false
}

// configuration looks for settings of the source that an install would no longer see.
func (p *Pass) configuration(g *installGroup, install shelleffects.Install, r readsOf) Reason {
	if v, ok := p.states[install0(g)].Env["PIP_CONFIG_FILE"]; ok && shelleffects.Covers(g.copy.dest, v) {
		return ConfigurationFile
	}
	if install.Tool != "uv" {
		return ""
	}
	// uv looks for uv.toml and the [tool.uv] of pyproject.toml in its directory and above.
	for dir := install.Dir; shelleffects.Covers(g.copy.dest, dir); dir = path.Dir(dir) {
		for _, pr := range g.copy.pairs {
			switch {
			case pr.image == path.Join(dir, "uv.toml") && !slices.ContainsFunc(r.named, func(l located) bool { return l.file == pr.context }):
				return ConfigurationFile
			case pr.image == path.Join(dir, "pyproject.toml"):
				project, err := p.pyproject(p.Context.RepoPath(pr.context))
				if err != nil {
					return ManifestUnknown
				}
				if install.Verb != "sync" && project.Tool.UV.set {
					return ConfigurationFile
				}
				if project.localSources() {
					return NeedsSource
				}
			}
		}
		if dir == "/" {
			break
		}
	}
	return ""
}

func install0(g *installGroup) *dockerfile.Instruction { return g.lane[g.runs[0].i].in }

// systemPlaces are where installs write without saying so.
var systemPlaces = []string{"/usr", "/root", "/etc", "/var", "/lib", "/bin", "/opt/venv", "/opt/conda"}

// overwrites says whether the moved COPY could write over what the installs make.
func (p *Pass) overwrites(g *installGroup) Reason {
	c := g.copy
	for _, s := range g.runs {
		state := p.states[s.in]
		places := slices.Clone(systemPlaces)
		for _, name := range []string{"VIRTUAL_ENV", "PYTHONUSERBASE", "PIP_TARGET", "PIP_PREFIX", "UV_PROJECT_ENVIRONMENT", "CONDA_PREFIX"} {
			if v := state.Env[name]; path.IsAbs(v) {
				places = append(places, path.Clean(v))
			}
		}
		for _, install := range s.installs {
			places = append(places, install.Writes...)
			for _, a := range install.Command.Assigns {
				if path.IsAbs(a.Value) {
					places = append(places, path.Clean(a.Value))
				}
			}
		}
		for _, place := range places {
			if c.dest == place || shelleffects.Covers(c.dest, place) && !p.leftOut(place, c) {
				if slices.Contains(systemPlaces, place) {
					return Overwrites
				}
				return IgnoreFirst
			}
		}
		// Another user's pip installs below the home directory when it may not write elsewhere.
		root := state.User == "" && state.BaseKnown || state.User == "root" || state.User == "0"
		if root {
			continue
		}
		homes := p.homesOf(g.lane, s.i)
		if shelleffects.Overlaps("/home", c.dest) {
			home := "~"
			if user, _, _ := strings.Cut(state.User, ":"); user != "" {
				home = path.Join("/home", user)
			}
			homes = append(homes, home)
		}
		for _, home := range homes {
			if (home == "~" || shelleffects.Overlaps(home, c.dest)) && !p.leftOut(path.Join(home, ".local"), c) {
				return Overwrites
			}
		}
	}
	return ""
}

// homesOf are directories that a variable or a command above a step names as somebody's home: "useradd -d /app app".
func (p *Pass) homesOf(lane []step, i int) []string {
	var homes []string
	if home := p.states[lane[i].in].Env["HOME"]; path.IsAbs(home) {
		homes = append(homes, path.Clean(home))
	}
	for _, st := range lane[:i] {
		for _, c := range commandsOf(st.in) {
			if !shelleffects.Accounts(c) {
				continue
			}
			for _, w := range c.Words[1:] {
				dir, known := shelleffects.Expand(strings.Trim(w.Value, `"'`), p.states[st.in].Env)
				if _, value, option := strings.Cut(dir, "="); option {
					dir = value
				}
				if known && path.IsAbs(dir) {
					homes = append(homes, path.Clean(dir))
				}
			}
		}
	}
	return homes
}

var plainPath = lazyregexp.New(`^[A-Za-z0-9._@+=,:/~-]+$`)

// moveEdits writes the edit.
func (p *Pass) moveEdits(c *copied, below *dockerfile.Instruction, files []pair) (*Unit, Reason) {
	in := c.in
	newline := p.File.Source.Newline()
	unit := &Unit{}
	var lines []string
	head := "COPY"
	if in.Keyword == "COPY" {
		head = p.textOf(source.Span{Start: in.Span.Start, End: in.Span.Start + len("COPY")})
	}
	for _, f := range in.Flags {
		head += " " + p.textOf(f.Span)
	}
	written := p.textOf(in.Args[len(in.Args)-1].Span)
	for _, folder := range folders(files, c.dest) {
		dest := strings.TrimSuffix(written, "/")
		if folder.rel != "." {
			if dest == "." {
				dest = folder.rel
			} else {
				dest += "/" + folder.rel
			}
		}
		dest += "/"
		for _, f := range append(slices.Clone(folder.files), dest) {
			if !plainPath.MatchString(strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(f, "${", ""), "}", ""), "$", "")) {
				return nil, ManifestUnknown
			}
		}
		lines = append(lines, head+" "+strings.Join(folder.files, " ")+" "+dest)
		unit.Effects = append(unit.Effects, AddCopy{Of: in, Sources: folder.files, Dest: dest})
	}
	from := p.attachedStart(in)
	moved := p.textOf(source.Span{Start: from, End: in.Span.End})
	old := source.Span{Start: from, End: in.Span.End}
	if len(lines) == 0 {
		old = p.File.Source.SpanFromLines(p.File.Source.LinesFromSpan(old))
	}
	unit.Edits = []source.Edit{
		{Span: old, New: strings.Join(lines, newline)},
		{Span: source.Span{Start: below.Span.End, End: below.Span.End}, New: newline + moved},
	}
	unit.Effects = append(unit.Effects, MoveStep{Step: in, Below: below})
	return unit, ""
}

// attachedStart is where the comment lines begin that stand right above an instruction, without a
// blank line between.
func (p *Pass) attachedStart(in *dockerfile.Instruction) int {
	start := in.Span.Start
	line := p.line(in)
	for n := len(in.Comments) - 1; n >= 0; n-- {
		at := p.File.Source.LineFromOffset(in.Comments[n].Span.Start)
		if at != line-1 {
			break
		}
		line = at
		start = p.File.Source.SpanFromLines(source.Lines{First: at, Last: at}).Start
	}
	return start
}

// folder is the files of one folder, as sources of one COPY.
type folder struct {
	rel   string // below the destination
	files []string
}

func folders(files []pair, dest string) []folder {
	var out []folder
	for _, f := range files {
		rel := strings.TrimPrefix(strings.TrimPrefix(path.Dir(f.image), dest), "/")
		if rel == "" {
			rel = "."
		}
		n := slices.IndexFunc(out, func(o folder) bool { return o.rel == rel })
		if n < 0 {
			n = len(out)
			out = append(out, folder{rel: rel})
		}
		if !slices.Contains(out[n].files, f.context) {
			out[n].files = append(out[n].files, f.context)
		}
	}
	return out
}
