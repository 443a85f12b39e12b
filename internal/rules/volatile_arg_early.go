package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

var _ = register(&Rule{
	ID:       "volatile-arg-early",
	Title:    "A build argument that changes with each build stands above steps that do not use it",
	Severity: config.SeverityWarning,
	What: "An `ARG` whose value is another one with each build (a commit, a date, a build number, a version passed on release), or an `ENV` made of one, stands above `RUN` steps that do not use it. " +
		"That it changes is known from the workflow, the Makefile or the Docker Hub hook that passes it; without one, from a name such as `GIT_SHA` or `BUILD_DATE` that nothing but labels, variables and `echo` use, or from a `VERSION` without a default that a step or a label needs or an `ENV` of the same name hands on (also `ACME_VERSION` of a project with a package `acme`), or with a default such as `dev` that a label states, or that stands in for the version which setuptools-scm would ask git for; or from a label of OCI's or label-schema.org's for the image's version, its commit or its time, which is nothing but the variable.",
	Why: "An `ARG` with a value is part of the environment of every `RUN` below it, whether the step uses it or not. " +
		"A new value runs all of them again.",
	Fix: "The `ARG`, with the `ENV` and `LABEL` that are made of it, moves to just above the first step that uses it or may use it; where no step does, below the last one. " +
		"Nothing is offered where an `ENV` sets other variables too, nor where the steps are in a stage built on the one that declares it.",
	Not: "An `ARG` that no build gives a value: it changes nothing. Steps other than `RUN`: `COPY` and `WORKDIR` do not see the environment unless a variable is written in them. " +
		"`RUN`s that may read the variable without naming it (programs that hitrate does not know, scripts, builds of the source), unless nothing but labels is made of it and its name says so; and cheap ones. Arguments that exist to break the cache: by their name (`CACHEBUST`), since a comment above says so, or since nothing uses them. " +
		"Where `LABEL` stands does not matter: it is no step.",
	Sources: []Source{
		{"Dockerfile reference: impact on build caching", "https://docs.docker.com/reference/dockerfile/#impact-on-build-caching"},
		{"Docker: build cache invalidation", "https://docs.docker.com/build/cache/invalidation/"},
	},
	Check: checkVolatileArgs,
})

// carried is one volatile ARG with what is made of it.
type carried struct {
	names  []string // variables that change with it, its own first
	steps  []*dockerfile.Instruction
	until  int                       // in the stage: the first step that uses one of them; the number of steps where none does
	hit    []*dockerfile.Instruction // RUNs that run again for nothing
	heir   *dockerfile.Stage         // the first stage built on this one that has such RUNs; nil for none
	known  known
	reason Reason // why it cannot move
	// unproven says that a step may read one of them without naming it.
	unproven bool
}

func checkVolatileArgs(p *Pass) {
	if p.states == nil {
		return
	}
	for _, stage := range p.File.Stages {
		if !p.needed[stage] {
			continue
		}
		var all []*carried
		for i, in := range stage.Instructions {
			if c := p.carries(stage, i, in); c != nil {
				all = append(all, c)
			}
		}
		for len(all) > 0 {
			same := []*carried{all[0]}
			var others []*carried
			for _, c := range all[1:] {
				if c.until == all[0].until && c.heir == all[0].heir && c.unproven == all[0].unproven {
					same = append(same, c)
				} else {
					others = append(others, c)
				}
			}
			p.reportVolatile(stage, same, others)
			all = others
		}
	}
}

// rebuildWords are what comments say of an instruction that is there to run again, or to run steps again.
var rebuildWords = lazyregexp.New(`(?i)\b(force|forces|forcing|trigger|triggers|ensure|ensures)\b[^.]*\b(re-?build|re-?run|re-?install|fresh|latest|newest|up[- ]to[- ]date)|\b(bust|busts|busting|break|breaks|invalidate|invalidates|bypass|bypasses|defeat|defeats)\b[^.]*\bcach|\bcache[- ]?bust`)

// rebuildWanted says whether the comment above an instruction says that running again is what it is for.
func (p *Pass) rebuildWanted(in *dockerfile.Instruction) bool {
	return rebuildWords.MatchString(p.textOf(source.Span{Start: p.attachedStart(in), End: in.Span.Start}))
}

// carries looks at one instruction; nil where it is no volatile ARG or costs nothing.
func (p *Pass) carries(stage *dockerfile.Stage, i int, in *dockerfile.Instruction) *carried {
	arg, ok := in.Command.(*instructions.ArgCommand)
	if !ok || p.rebuildWanted(in) {
		return nil
	}
	c := &carried{steps: []*dockerfile.Instruction{in}}
	for _, pair := range arg.Args {
		if k := p.volatile(stage, i, pair.Key, pair.Value); k.as != "" {
			c.names, c.known = append(c.names, pair.Key), k
		}
	}
	if len(c.names) == 0 {
		return nil
	}
	if len(c.names) < len(arg.Args) {
		c.reason = OtherVariables
	}
	c.until = c.passes(p, stage, i+1)
	if c.until < len(stage.Instructions) {
		// Where both have something to say, an edit up to the first step that may use them would leave the rest.
		further := *c
		further.hit = nil
		further.labels(p, stage, i+1)
		if len(further.hit) > len(c.hit) {
			c = &further
		}
	}
	used := map[*dockerfile.Stage]bool{stage: c.until < len(stage.Instructions)}
	own := len(c.hit)
	for _, heir := range p.heirs(stage) {
		// Short of a use, the variables go on from stage to stage.
		used[heir] = used[heir.Parent] || c.passes(p, heir, 0) < len(heir.Instructions)
	}
	if len(c.hit) == 0 {
		return nil
	}
	if len(c.hit) > own {
		c.heir, c.reason = c.hit[own].Stage, InOtherStage
	}
	return c
}

// passes follows the variables through a stage, from an instruction on: where the first step that uses
// them stands, the number of instructions where none does.
func (c *carried) passes(p *Pass, stage *dockerfile.Stage, from int) int {
	for j := from; j < len(stage.Instructions); j++ {
		next := stage.Instructions[j]
		switch {
		case next.Trigger != nil || next.Keyword == "CMD" || next.Keyword == "ENTRYPOINT" || next.Keyword == "HEALTHCHECK":
			// They run later, with what the image's configuration has.
		case c.join(p, next):
		case p.usesVariable(stage, j, c.names):
			return j
		case next.Run() != nil && p.costs(next):
			c.hit = append(c.hit, next)
		}
	}
	return len(stage.Instructions)
}

// labels follows variables of which nothing but labels is made, and whose names say so, past the RUNs that run programs
// hitrate does not know: that one of these reads the date of the build is so unlikely that it is worth a word, and
// not so impossible that an edit could be proven.
func (c *carried) labels(p *Pass, stage *dockerfile.Stage, from int) {
	labelled := false
	for j := from; j < len(stage.Instructions); j++ {
		next := stage.Instructions[j]
		if !slices.ContainsFunc(c.names, func(name string) bool { return namesVariable(p.textOf(next.Span), name) }) {
			continue
		}
		if next.Keyword != "LABEL" {
			return
		}
		labelled = true
	}
	if !labelled || slices.ContainsFunc(c.names, func(name string) bool { return !volatileName.MatchString(name) }) {
		return
	}
	for _, next := range stage.Instructions[from:] {
		if next.Trigger != nil || next.Run() == nil {
			continue
		}
		scripts, read := p.scripts(next)
		named := slices.ContainsFunc(scripts, func(s script) bool {
			return slices.ContainsFunc(c.names, func(name string) bool { return namesVariable(s.text, name) })
		})
		if !read || named {
			c.hit = nil
			return
		}
		if p.costs(next) || slices.ContainsFunc(scripts, func(s script) bool { return s.run != nil && costly(s.effects, s.run) }) {
			c.hit = append(c.hit, next)
		}
	}
	c.until, c.reason, c.unproven = len(stage.Instructions), MayReadVariable, true
}

// heirs are the stages that are built on a stage: they have its build arguments too.
// Source: Docker's documentation, "Build variables", Scoping.
func (p *Pass) heirs(stage *dockerfile.Stage) []*dockerfile.Stage {
	var out []*dockerfile.Stage
	for _, s := range p.File.Stages {
		if p.needed[s] && s.Parent != nil && (s.Parent == stage || slices.Contains(out, s.Parent)) {
			out = append(out, s)
		}
	}
	return out
}

// join takes an ENV, ARG or LABEL that is made of the variables along.
func (c *carried) join(p *Pass, in *dockerfile.Instruction) bool {
	text := p.textOf(in.Span)
	if !slices.ContainsFunc(c.names, func(name string) bool { return expands(text, name) }) {
		return false
	}
	var keys []string
	switch cmd := in.Command.(type) {
	case *instructions.LabelCommand:
	case *instructions.ArgCommand:
		for _, pair := range cmd.Args {
			keys = append(keys, pair.Key)
		}
	case *instructions.EnvCommand:
		for _, pair := range cmd.Env {
			if slices.ContainsFunc(c.names, func(name string) bool { return expands(pair.Value, name) }) {
				keys = append(keys, pair.Key)
			} else {
				c.reason = OtherVariables // these stay as they are, whatever is passed
			}
		}
	default:
		return false
	}
	if slices.ContainsFunc(keys, shelleffects.ReadsVariable) {
		return false
	}
	for _, key := range keys {
		if !slices.Contains(c.names, key) {
			c.names = append(c.names, key)
		}
	}
	c.steps = append(c.steps, in)
	return true
}

// expands says whether a text has $NAME or ${NAME…}.
func expands(text, name string) bool {
	for i := 0; ; {
		n := strings.IndexByte(text[i:], '$')
		if n < 0 {
			return false
		}
		i += n + 1
		rest := strings.TrimPrefix(text[i:], "{")
		if strings.HasPrefix(rest, name) && (len(rest) == len(name) || !isNameByte(rest[len(name)])) {
			return true
		}
	}
}

func isNameByte(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
}

// namesVariable says whether a text has a name as a word of its own.
func namesVariable(text, name string) bool {
	for i := 0; ; {
		n := strings.Index(text[i:], name)
		if n < 0 {
			return false
		}
		start := i + n
		i = start + len(name)
		if (start == 0 || !isNameByte(text[start-1])) && (i == len(text) || !isNameByte(text[i])) {
			return true
		}
	}
}

// usesVariable says whether a step of a stage uses one of some variables, or may.
func (p *Pass) usesVariable(stage *dockerfile.Stage, j int, names []string) bool {
	in := stage.Instructions[j]
	text := p.textOf(in.Span)
	if in.Run() == nil {
		return slices.ContainsFunc(names, func(name string) bool {
			return expands(text, name) || (in.Keyword == "ENV" || in.Keyword == "ARG") && namesVariable(text, name)
		})
	}
	if slices.ContainsFunc(names, func(name string) bool { return namesVariable(text, name) }) {
		return true
	}
	e := p.effectsOf(in)
	if e.ReadsEnvironment() {
		return true
	}
	lane := p.lanes(stage)[0]
	at := slices.IndexFunc(lane, func(st step) bool { return st.in == in })
	if slices.ContainsFunc(p.installTexts(lane, at), func(text string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return namesVariable(text, name) })
	}) {
		return true
	}
	return slices.ContainsFunc(e.Installs, func(install shelleffects.Install) bool {
		r := p.reads(lane, at, install)
		return p.hooksNeedSource(r, install) || p.runsOwn(r, install) || p.namesLocal(served{installs: []shelleffects.Install{install}, reads: []readsOf{r}})
	})
}

// ownPackage is a dependency in package.json that lies in a folder: its scripts run, too.
// Source: npm's documentation, "package.json", Local Paths; Yarn's, "protocols".
var ownPackage = lazyregexp.New(`"(file|link|portal|workspace):`)

// runsOwn says whether an install may run scripts of the repository that its own manifests do not show: those of
// packages in folders, and composer's.
func (p *Pass) runsOwn(r readsOf, install shelleffects.Install) bool {
	for _, repo := range r.paths {
		file, err := p.Read(repo)
		if err != nil {
			continue
		}
		switch path.Base(repo) {
		case "package.json":
			if ownPackage.Match(file.Data) {
				return true
			}
		case "composer.json":
			if strings.Contains(string(file.Data), `"scripts"`) && !slices.ContainsFunc(install.Command.Words, func(w dockerfile.Word) bool { return w.Value == "--no-scripts" }) {
				return true
			}
		}
	}
	return false
}

// costs says whether running a RUN again takes time: it installs or fetches.
func (p *Pass) costs(in *dockerfile.Instruction) bool { return costly(p.effectsOf(in), in.Run()) }

func costly(e shelleffects.Effects, run *dockerfile.Run) bool {
	return len(e.Installs)+len(e.Packages)+len(e.Updates)+len(e.Fetches) > 0 ||
		slices.ContainsFunc(run.Commands, func(c *dockerfile.Command) bool { return c.Name == "curl" || c.Name == "wget" })
}

func (p *Pass) reportVolatile(stage *dockerfile.Stage, same, others []*carried) {
	var names []string
	var hit []*dockerfile.Instruction
	var why known
	for _, c := range same {
		names = append(names, c.names[0])
		for _, in := range c.hit {
			if !slices.Contains(hit, in) {
				hit = append(hit, in)
			}
		}
		if why == (known{}) || why.origin == "" && (c.known.origin != "" || c.known.as == "build") {
			why = c.known
		}
	}
	first := same[0]
	f := Finding{Subject: strings.Join(names, ", ")}
	for _, in := range hit {
		f.Related = append(f.Related, p.place(in))
	}
	they, them, stand, change := "An ARG is", "it", "stands", "it changes"
	if len(names) > 1 {
		they, them, stand, change = "ARGs are", "them", "stand", "they change"
	}
	use, uses := "use", "uses"
	if first.unproven {
		use, uses = "name", "names"
	}
	steps := say("a step that does not "+use+" ", them)
	if len(hit) > 1 {
		steps = say(len(hit), " steps that do not "+use+" ", them)
	}
	f.Title = say("Each new ", list(names), " re-runs ", steps, ".")
	f.Here = f.Title
	how := say("whose name says that ", change, " with each ", why.as)
	if len(names) > 1 {
		how = say("whose names say that ", change, " with each ", why.as)
	}
	if why.use != "" {
		how = say(why.use)
	}
	if why.origin != "" {
		how = say("to which ", code(why.origin), passedAt(same, why.origin), " gives another value with each build")
	}
	f.Why = say(they, " part of the environment of every RUN below, and ", list(names), ", ", how, ", ", stand, " above ", p.linesOf(hit), ".")
	switch {
	case first.heir != nil:
		f.Advice = say("Stages built on this one have ", them, " too: declare ", them, " in the stage of line ", p.line(first.heir.From), ", below the steps that do not use ", them, ".")
	case first.until < len(stage.Instructions):
		f.Advice = say("Move ", them, " down to just above line ", p.line(stage.Instructions[first.until]), ", the first that may use ", them, ".")
	case len(p.heirs(stage)) > 0:
		f.Advice = say("Move ", them, " below the last step of the stage: no step of it "+uses+" ", them, ".")
	default:
		f.Advice = say("Move ", them, " below the last step: no step "+uses+" ", them, ".")
	}
	f.Done = say(list(names), " now ", stand, " below the steps that do not "+use+" ", them, ".")
	f.Unit, f.Withheld = p.moveVolatile(stage, same, others)
	p.report(first.steps[0], f)
}

// passedAt names the lines of a file on which it passes variables: ", line 8," or ", lines 8 and 9,".
func passedAt(all []*carried, file string) Text {
	var at []int
	for _, c := range all {
		if c.known.origin == file && c.known.line > 0 {
			at = append(at, c.known.line)
		}
	}
	slices.Sort(at)
	at = slices.Compact(at)
	if len(at) == 0 {
		return nil
	}
	parts := []any{", line "}
	if len(at) > 1 {
		parts[0] = ", lines "
	}
	for i, line := range at {
		switch {
		case i > 0 && i == len(at)-1:
			parts = append(parts, " and ")
		case i > 0:
			parts = append(parts, ", ")
		}
		parts = append(parts, line)
	}
	return say(append(parts, ",")...)
}

// linesOf names the first lines of instructions: "line 4", "lines 4, 7 and 2 more".
func (p *Pass) linesOf(all []*dockerfile.Instruction) Text {
	if len(all) == 1 {
		return say("line ", p.line(all[0]))
	}
	parts := []any{"lines "}
	for i, in := range all {
		switch {
		case i == 3:
			return say(append(parts, " and ", len(all)-3, " more")...)
		case i > 0 && i == len(all)-1:
			parts = append(parts, " and ")
		case i > 0:
			parts = append(parts, ", ")
		}
		parts = append(parts, p.line(in))
	}
	return say(parts...)
}

// moveVolatile is the edit: the instructions go, in their order, to just above the first one that uses
// them, else below the last step of the stage.
func (p *Pass) moveVolatile(stage *dockerfile.Stage, same, others []*carried) (*Unit, string) {
	var moved []*dockerfile.Instruction
	for _, c := range same {
		if c.reason != "" {
			return nil, string(c.reason)
		}
		for _, in := range c.steps {
			if slices.ContainsFunc(others, func(o *carried) bool { return slices.Contains(o.steps, in) }) {
				return nil, string(OtherVariables)
			}
			if !slices.Contains(moved, in) {
				moved = append(moved, in)
			}
		}
	}
	slices.SortFunc(moved, func(a, b *dockerfile.Instruction) int { return a.Span.Start - b.Span.Start })
	until := same[0].until
	if until == len(stage.Instructions) {
		until = 1 + slices.IndexFunc(stage.Instructions, func(in *dockerfile.Instruction) bool { return in == lastStep(stage) })
	}
	var below *dockerfile.Instruction
	for _, in := range stage.Instructions[:until] {
		if !slices.Contains(moved, in) {
			below = in
		}
	}
	if below == nil || below.Span.Start < same[0].hit[0].Span.Start {
		return nil, string(Internal)
	}
	unit := &Unit{}
	newline := p.File.Source.Newline()
	text := ""
	for _, in := range moved {
		if in.Span.Start > below.Span.Start {
			continue // it stands there already
		}
		span := source.Span{Start: p.attachedStart(in), End: in.Span.End}
		text += p.textOf(span) + newline
		unit.Edits = append(unit.Edits, source.Edit{Span: p.wholeLines(span)})
		unit.Effects = append(unit.Effects, MoveEnv{Step: in, Below: below})
	}
	if same[0].until < len(stage.Instructions) {
		at := p.attachedStart(stage.Instructions[until])
		unit.Edits = append(unit.Edits, source.Edit{Span: source.Span{Start: at, End: at}, New: text})
	} else {
		unit.Edits = append(unit.Edits, p.insertBelow(below, text))
	}
	return unit, ""
}

// wholeLines are the lines of a span, with the blank line below where one stands above too.
func (p *Pass) wholeLines(span source.Span) source.Span {
	src := p.File.Source
	lines := src.LinesFromSpan(span)
	blank := func(n int) bool {
		return n >= 1 && n < src.LineCount() && strings.TrimSpace(p.textOf(src.SpanFromLines(source.Lines{First: n, Last: n}))) == ""
	}
	if blank(lines.First-1) && blank(lines.Last+1) {
		lines.Last++
	}
	return src.SpanFromLines(lines)
}

// lastStep is the last instruction of a stage that makes a step.
func lastStep(stage *dockerfile.Stage) *dockerfile.Instruction {
	var last *dockerfile.Instruction
	for _, in := range stage.Instructions {
		switch in.Keyword {
		case "RUN", "COPY", "ADD", "WORKDIR":
			last = in
		}
	}
	return last
}
