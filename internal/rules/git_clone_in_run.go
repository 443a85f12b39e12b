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
)

var _ = register(&Rule{
	ID:       "git-clone-in-run",
	Title:    "A RUN fetches a repository in a state that moves, or with a history that nobody needs",
	Severity: config.SeverityWarning,
	What: "`git clone`, `pip install git+https://…` and archives of a branch (`…/archive/main.tar.gz`) in a `RUN`, where the state is not named: no tag, no commit. " +
		"And `git clone` of one commit or tag with the whole history. Of a moving state of the repository itself it says to copy the files instead.",
	Why: "A `RUN` is cached by its text. The remote is not asked again, so the cached layer keeps the state of the day it was built; " +
		"when something above it changes, the newest state comes in at once, unasked, and two builders can have two states. " +
		"Where a commit is checked out behind the clone, the state is sure, and what costs is the history: it is fetched each time that the step runs, and `.git` is part of the layer.",
	Fix: "",
	Not: "A shallow clone of a tag or commit; a shallow clone of a name that a variable holds (whoever builds chooses it, and another value is another step), unless it holds a branch such as `master`; addresses with a tag or commit in them. " +
		"`git fetch` of a commit into an empty repository is fine too, and so is a step that something above it refreshes: an `ADD` of `https://api.github.com/repos/…`, an `ARG CACHEBUST`. A moving clone does not bust the cache: it goes stale. " +
		"`ADD https://…/app.git#<commit> /app` fetches that commit alone, without `.git`, and is cached by the commit; with a branch behind the `#` BuildKit asks the remote in each build.",
	Sources: []Source{
		{"Docker: ADD from Git repositories", "https://docs.docker.com/reference/dockerfile/#adding-files-from-a-git-repository"},
		{"Docker: build cache invalidation", "https://docs.docker.com/build/cache/invalidation/#run-instructions"},
		{"BuildKit: what a RUN is cached by", "https://github.com/moby/buildkit/blob/v0.34.2/solver/llbsolver/ops/exec.go"},
	},
	Check: checkGitClone,
})

func checkGitClone(p *Pass) {
	for _, stage := range p.File.Stages {
		if !p.needed[stage] && !p.shipped[stage] {
			continue
		}
		for _, lane := range p.lanes(stage) {
			for i, st := range lane {
				p.checkFetches(lane, i, st)
			}
		}
	}
}

func (p *Pass) checkFetches(lane []step, i int, st step) {
	e := p.effectsOf(st.in)
	if len(e.Fetches) == 0 || refreshed(lane[:i]) {
		return
	}
	var moving, heavy []shelleffects.Fetch
	var used shelleffects.Ref // of the first of heavy
	for n, f := range e.Fetches[:min(len(e.Fetches), maxFetches)] {
		switch state, ref := p.stateOf(lane, i, e, n); state {
		case stateMoves:
			if f.Variable != "" {
				f.Ref = ref // what a build passes
			}
			moving = append(moving, f)
		case stateHeavy:
			if len(heavy) == 0 {
				used = ref
			}
			heavy = append(heavy, f)
		}
	}
	switch {
	case len(moving) > 0:
		f := movingWords(moving)
		if !slices.ContainsFunc(moving, func(f shelleffects.Fetch) bool { return !p.own(f) }) {
			f.Advice = say("This is the repository that the Dockerfile is in: ", code("COPY"), " its files from the build context instead, so that the image holds the state that is built.")
		}
		p.report(st.outer, f)
	case len(heavy) > 0:
		p.report(st.outer, heavyWords(heavy[0], used))
	}
}

// maxFetches bounds how many fetches of one RUN are looked at.
const maxFetches = 100

// refresher are the names of arguments by which people make a step run again.
var refresher = lazyregexp.New(`(?i)^(cache_?bust(er)?|bust_?cache|cache_?(date|refresh)|no_?cache|refresh|force_?(update|rebuild|refresh))`)

// refreshed says whether something above a step makes it run again when it should: an ADD that asks a
// forge for the newest commit, or an argument made for that.
func refreshed(above []step) bool {
	for _, st := range above {
		switch cmd := st.in.Command.(type) {
		case *instructions.AddCommand:
			for _, src := range cmd.SourcePaths {
				if strings.HasPrefix(src, "https://api.github.com/repos/") || strings.HasPrefix(src, "https://") && strings.Contains(src, "/commits/") {
					return true
				}
			}
		case *instructions.ArgCommand:
			for _, a := range cmd.Args {
				if refresher.MatchString(a.Key) {
					return true
				}
			}
		}
	}
	return false
}

// own says whether a fetch is of the repository that the Dockerfile is in.
func (p *Pass) own(f shelleffects.Fetch) bool {
	own := repositoryOf(p.Repository)
	return own != "" && repositoryOf(f.URL) == own
}

// repositoryOf is host, owner and name of a repository's address on a forge, in small letters; "" where it is not
// one: "https://github.com/acme/app.git", "git@github.com:acme/app", an archive of it.
func repositoryOf(address string) string {
	address = strings.TrimPrefix(strings.ToLower(cleanURL(address)), "git+")
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		// As scp writes it.
		host, name, colon := strings.Cut(address, ":")
		if !colon || strings.Contains(host, "/") {
			return ""
		}
		rest = host + "/" + name
	}
	rest = rest[strings.LastIndexByte(rest[:strings.IndexByte(rest+"/", '/')], '@')+1:]
	parts := strings.Split(strings.TrimRight(rest, "/"), "/")
	if len(parts) < 3 || strings.Contains(rest, "$") {
		return ""
	}
	host := parts[0]
	if name, port, ok := strings.Cut(host, ":"); ok && strings.Trim(port, "0123456789") == "" {
		host = name
	}
	return host + "/" + parts[1] + "/" + strings.TrimSuffix(parts[2], ".git")
}

// What is known of a fetch's state.
const (
	stateFine = iota
	stateMoves
	stateHeavy // sure, with the whole history
)

// stateOf is what is known of a fetch's state, and by what name it is known.
func (p *Pass) stateOf(lane []step, i int, e shelleffects.Effects, n int) (int, shelleffects.Ref) {
	f := e.Fetches[n]
	if f.How != shelleffects.FetchClone {
		if f.Ref.Kind == shelleffects.RefBranch {
			return stateMoves, f.Ref
		}
		return stateFine, f.Ref
	}
	ref := f.Ref
	if branch := p.passedBranch(f.Variable); branch != "" {
		ref = shelleffects.Ref{Name: branch}
	}
	end := -1 // of what may check out a state of this clone
	if n+1 < len(e.Fetches) && e.Fetches[n+1].How == shelleffects.FetchClone {
		end = e.Fetches[n+1].Command.Span.Start
	}
	for _, c := range e.Checkouts {
		if at := c.Command.Span.Start; at > f.Command.Span.Start && (end < 0 || at < end) && (c.Ref.Kind != shelleffects.RefBranch || ref.Kind == shelleffects.RefBranch) {
			ref = c.Ref
		}
	}
	if ref.Kind == shelleffects.RefBranch {
		later, ok := p.checkedOutLater(lane, i, end >= 0)
		if !ok {
			return stateMoves, ref
		}
		ref = later
	}
	asked := ref.Kind == shelleffects.RefUnknown && gitInside.MatchString(ref.Name) // "git checkout $(git describe …)" reads the history
	if f.Shallow || asked || historyGoes(lane[i].in.Run(), f) || f.Dir != "" && p.mountedAt(lane[i].in, f.Dir) {
		return stateFine, ref
	}
	return stateHeavy, ref
}

// passedBranch is a branch that one of the builds gives a variable as its value, "" for none.
func (p *Pass) passedBranch(variable string) string {
	for _, b := range append(slices.Clone(p.Builds), p.Facts.Builds...) {
		if value := b.Args[variable]; b.Dockerfile == p.File.Source.Path && shelleffects.IsBranch(value) {
			return value
		}
	}
	return ""
}

// gitInside is a git command whose output a word takes.
var gitInside = lazyregexp.New("(\\$\\(|`)\\s*git\\s")

// checkedOutLater is the tag or commit that a RUN below checks out: of which clone is not asked, unless
// that RUN makes one of its own before.
func (p *Pass) checkedOutLater(lane []step, i int, another bool) (ref shelleffects.Ref, ok bool) {
	if another {
		return ref, false // the next clone of the same RUN has the same claim to it
	}
	for _, st := range lane[i+1:] {
		e := p.effectsOf(st.in)
		for _, c := range e.Checkouts {
			own := slices.ContainsFunc(e.Fetches, func(f shelleffects.Fetch) bool {
				return f.How == shelleffects.FetchClone && f.Command.Span.Start < c.Command.Span.Start
			})
			if c.Ref.Kind != shelleffects.RefBranch && !own {
				return c.Ref, true
			}
		}
		if len(e.Fetches) > 0 {
			return ref, false
		}
	}
	return ref, false
}

// historyGoes says whether the RUN takes the clone or its history away again, or may do so.
func historyGoes(run *dockerfile.Run, f shelleffects.Fetch) bool {
	name := strings.TrimSuffix(path.Base(strings.TrimRight(strings.Trim(f.URL, `"'`), "/")), ".git")
	if f.Dir != "" {
		name = path.Base(f.Dir)
	}
	for _, c := range run.Commands {
		if c.Name != "rm" || c.Span.Start < f.Command.Span.Start {
			continue
		}
		for _, w := range c.Words[1:] {
			word := strings.TrimRight(strings.Trim(w.Value, `"'`), "/*")
			base := path.Base(word)
			if !w.Literal && strings.Contains(word, "$") || base == ".git" || base == name || strings.HasPrefix(name, base) ||
				f.Dir != "" && path.IsAbs(word) && shelleffects.Covers(word, f.Dir) {
				return true
			}
		}
	}
	return false
}

// fetchText is how a fetch is called in a sentence.
func fetchText(f shelleffects.Fetch) Text {
	switch f.How {
	case shelleffects.FetchClone:
		return say(code("git clone " + cleanURL(f.URL)))
	case shelleffects.FetchPip:
		return say(code("git+" + cleanURL(f.URL)))
	}
	return say(code(cleanURL(f.URL)))
}

// cleanURL is an address without a user and a password, and without quotes.
func cleanURL(url string) string {
	url = strings.Trim(url, `"'`)
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	host, rest, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	return scheme + "://" + host + "/" + rest
}

func movingWords(moving []shelleffects.Fetch) Finding {
	first := moving[0]
	what := fetchText(first)
	if n := len(moving) - 1; n > 0 {
		what = say(what, " and ", n, " more")
	}
	state := say("the default branch")
	if first.Ref.Name != "" {
		state = say("the branch ", code(first.Ref.Name))
	}
	f := Finding{
		Subject: first.How + " " + cleanURL(first.URL),
		Title:   say(what, ": no commit is named, and the cached layer goes stale."),
		Here:    say("No commit is named here, so the cached layer goes stale."),
		Why:     say("This step is cached by its text: it keeps ", state, " as it was on the day it ran, and takes the newest state, unasked, when something above it changes."),
		Done:    say("The RUN no longer fetches a state that moves."),
	}
	switch first.How {
	case shelleffects.FetchClone:
		if f.Advice = say("Name a tag or commit (", code("git checkout <commit>"), ")."); !addressKnown(first) {
			break
		}
		f.Advice = say("Name a tag or commit (", code("git checkout <commit>"), "), or use ", code("ADD "+addressOf(first)+"#<commit> <directory>"), ", which is cached by the commit.")
	case shelleffects.FetchPip:
		f.Advice = say("Name a tag or commit: ", code("git+"+cleanURL(first.URL)+"@<commit>"), ".")
	default:
		f.Advice = say("Put a tag or commit in the place of ", code(first.Ref.Name), ".")
	}
	return f
}

// heavyWords are about a clone of which one state is used.
func heavyWords(f shelleffects.Fetch, pinned shelleffects.Ref) Finding {
	what, ref := "commit", strings.TrimPrefix(strings.TrimPrefix(pinned.Name, "refs/"), "tags/")
	used := say("Only ", code(ref), " is used.")
	switch pinned.Kind {
	case shelleffects.RefTag:
		what = "tag"
	case shelleffects.RefUnknown:
		what, ref = "state of it", "<ref>"
		used = say("Only what is checked out is used.")
	}
	add := code("ADD " + addressOf(f) + "#" + ref + " <directory>")
	out := Finding{
		Subject: f.How + " " + cleanURL(f.URL),
		Title:   say(fetchText(f), " fetches the whole history for one "+what+"."),
		Here:    say("This clone fetches the whole history for one " + what + "."),
		Why:     say(used, " The rest is downloaded each time that this step runs, and stays in the layer as ", code(".git"), "."),
		Advice:  say("Use ", add, ", which fetches that state alone, without ", code(".git"), "."),
		Done:    say("The RUN no longer clones a whole history for one state of it."),
	}
	switch known := addressKnown(f); {
	case pinned.Kind != shelleffects.RefCommit && known:
		out.Advice = say("Clone with ", code("--depth 1 --branch "+ref), ", or use ", add, ", which brings no ", code(".git"), ".")
	case pinned.Kind != shelleffects.RefCommit:
		out.Advice = say("Clone with ", code("--depth 1 --branch "+ref), ".")
	case !known:
		out.Advice = say("Fetch that commit alone (", code("git fetch --depth 1 origin "+ref), "), or remove ", code(".git"), " in the same RUN.")
	}
	return out
}

// addressKnown says whether a clone's address is one that ADD can take: no variable of the script, nor what a command
// puts out.
func addressKnown(f shelleffects.Fetch) bool { return !strings.ContainsAny(f.URL, "($`") }

// addressOf is a clone's address as ADD takes it for a repository: with ".git" at its end.
func addressOf(f shelleffects.Fetch) string {
	url := strings.TrimRight(cleanURL(f.URL), "/")
	if !strings.HasSuffix(url, ".git") && strings.Contains(url, "://") {
		url += ".git"
	}
	return url
}
