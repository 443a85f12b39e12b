package rules

import (
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// EveryCommit begins a Title and a Here of which a history knows better: who has counted fewer commits than all
// says how many in its place.
const EveryCommit = "Every commit re-runs "

// installName is what people call an install: "pip install", "npm ci".
func installName(i shelleffects.Install) string {
	tool := i.Tool
	if tool == "bundler" {
		tool = "bundle"
	}
	return tool + " " + i.Verb
}

// installWords writes the sentences.
func (p *Pass) installWords(f *Finding, g *installGroup, read []string) {
	w := p.installWording(g, read)
	f.Title, f.Here = p.installCost(w)
	f.Why, f.Doubted = p.installCause(w)
	f.Advice, f.Done = w.advice(), w.done()
}

// installWording is what the sentences about the installs of a group hang on.
type installWording struct {
	*installGroup
	read       []string // what the installs read, as the Dockerfile names it
	files      Text     // the same in words
	copyText   Text
	names      []string // "pip install", each once
	installs   int
	manifests  int
	leaves     string // the option with which an install leaves the project out
	partly     bool   // an install needs the source too
	local      bool   // the requirements name local paths
	project    bool   // the project itself among them
	includes   bool   // requirements files include others
	unnamed    bool   // a manifest is named by a variable
	workspaces bool
	listed     bool // what is installed is named elsewhere
}

// installWording collects what is to be said of the group.
func (p *Pass) installWording(g *installGroup, read []string) installWording {
	w := installWording{installGroup: g, read: read, copyText: say(code(p.textOf(g.copy.in.Span))), files: list(read)}
	if g.copy.mount {
		w.copyText = say(code(p.mountText(g.copy)))
	}
	for _, s := range g.runs {
		for n, install := range s.installs {
			w.installs++
			if name := installName(install); !slices.Contains(w.names, name) {
				w.names = append(w.names, name)
			}
			if p.fromClone(g.lane, s.i, install) {
				continue
			}
			r := s.reads[n]
			if install.Leaves != "" && p.isPackage(r, install) {
				w.leaves = install.Leaves
			}
			w.partly = w.partly || install.NeedsSource != "" && install.Leaves == "" || r.set != nil && len(r.set.Local()) > 0
			if r.set != nil {
				for _, row := range r.set.Local() {
					w.local, w.project = true, w.project || projectPath.MatchString(row.Requirement.URL)
				}
			}
			w.includes = w.includes || r.set != nil && len(r.set.Files) > len(r.named)
			w.workspaces = w.workspaces || p.hasWorkspaces(r, install)
			w.manifests += len(install.Manifests)
			w.listed = w.listed || listsElsewhere(install)
			w.unnamed = w.unnamed || slices.ContainsFunc(install.Manifests, func(m shelleffects.Manifest) bool { return m.Path == "" })
		}
	}
	if w.includes {
		w.files = say(w.files, " with what ", map[bool]string{true: "it includes", false: "they include"}[len(read) == 1])
	}
	if w.workspaces {
		w.files = say(w.files, " with the manifests of the workspaces")
	}
	return w
}

// projectPath is the directory of the requirements file, as a requirement.
var projectPath = lazyregexp.New(`^(file:)?\./?(\[.*)?$`)

// them is a word for the installs behind a preposition.
func (w installWording) them() string {
	if w.installs > 1 {
		return "them"
	}
	return "it"
}

// installCost is what a change costs: for the title, and where the comment stands.
func (p *Pass) installCost(w installWording) (title, here Text) {
	var what Text
	switch len(w.names) {
	case 1:
		what = say("the "+w.names[0], plural(w.installs))
	case 2:
		what = say("the "+w.names[0], " and the "+w.names[1])
	default:
		what = say("the dependency installs")
	}
	these := say("this install")
	if w.installs > 1 {
		these = say("these installs")
	}
	every := say("Every change to what ", w.copyText, " brings re-runs ")
	if w.copy.root() && w.anchor() == w.copy.in && p.Context != nil && p.Context.IgnoreFile == "" && (p.Context.Build.Context == "." || p.Context.Build.Context == "") {
		every = say(EveryCommit)
	}
	return say(every, what, "."), say(every, these, ".")
}

// installCause is why a change re-runs the installs; where what they read may not be all that they need,
// also what is said once that is known.
func (p *Pass) installCause(w installWording) (why Text, doubted *Doubt) {
	it := "It reads"
	if w.installs > 1 {
		it = "They read"
	}
	var reads Text
	switch {
	case len(w.read) > 0 && w.unnamed:
		reads = say(it, " only ", w.files, " and what variables name, but ")
	case len(w.read) > 0 && (w.leaves != "" || w.partly):
		reads = say("The dependencies are named in ", w.files, ", but ")
	case len(w.read) > 0:
		reads = say(it, " only ", w.files, ", but ")
		doubted = &Doubt{By: []Reason{ManifestUnknown, ManifestMissing, ConfigurationFile, NotProven, OtherArguments}}
		if !w.onlyPip() {
			doubted.By = append(doubted.By, NeedsSource) // of pip, another install of the step does
		}
	case w.manifests > 0 || w.listed:
		reads = say(it, " only what names the dependencies, but ")
	default:
		reads = say(it, " no file of the source, but ")
	}
	brings := say(w.copyText, " (line ", p.line(w.anchor()), ")", p.installBrings(w))
	if doubted != nil {
		doubted.Why = say("The dependencies are named in ", w.files, ", but ", brings)
		doubted.Advice, doubted.Done = w.doubtedAdvice(), say(w.subject(), " no longer re-run by changes to the source.")
	}
	return say(reads, brings), doubted
}

// installBrings says how much stands in front of the installs that they do not read.
func (p *Pass) installBrings(w installWording) Text {
	n := w.copy.excess(nil)
	switch {
	case w.copy.mount:
		return say(" mounts more than that.")
	case w.copy.root() && p.Context != nil:
		return say(" puts every file in front of ", w.them(), ".")
	case n == 1:
		return say(" puts another file in front of ", w.them(), ".")
	case n > 1:
		return say(" puts ", n, " other files in front of ", w.them(), ".")
	}
	return say(" puts a whole directory in front of ", w.them(), ".")
}

// doubtedAdvice is what to do where the installs may need more than they read.
func (w installWording) doubtedAdvice() Text {
	needs := map[bool]string{true: "the installs need", false: "the install needs"}[w.installs > 1]
	these := map[bool]string{true: "that file", false: "those files"}[len(w.read) == 1 && !w.includes]
	if w.copy.mount {
		return say("Mount only ", these, " and what else ", needs, ".")
	}
	return say("Copy ", these, " and what else ", needs, " first.")
}

// advice is what to do.
func (w installWording) advice() Text {
	switch {
	case w.leaves != "":
		these := list(w.read)
		if len(w.read) > 1 { // the cause names them, and a comment takes five lines
			these = say("the manifests")
		}
		return say("Copy ", these, " first and install with ", code(w.leaves), "; then copy the rest and install the project.")
	case w.copy.mount && len(w.read) > 0:
		return say("Mount ", w.files, " alone.")
	case w.project && len(w.read) > 0:
		return say("Keep the project out of ", w.files, " and install from it first; then copy the rest and install the project.")
	case w.local && len(w.read) > 0:
		return say("Copy ", w.files, " and what ", map[bool]string{true: "it names", false: "they name"}[len(w.read) == 1 && !w.includes], " by path first, and the rest after ", w.them(), ".")
	case w.partly && len(w.read) > 0:
		return say("Copy ", w.files, " first and install from it alone; then copy the rest and install that.")
	case len(w.read) == 0 && w.manifests == 0 && !w.listed:
		return say("Put ", w.them(), " above the COPY.")
	case w.onlyPip():
		return say("Copy the requirements first and the rest after ", w.them(), ".")
	case w.workspaces:
		return say("Copy the manifests first and the rest after ", w.them(), ".")
	case len(w.read) > 0:
		return say("Copy ", list(w.read), " first and the rest after ", w.them(), ".")
	}
	return say("Copy what names the dependencies first and the rest after ", w.them(), ".")
}

// subject begins the sentence about what an edit has done.
func (w installWording) subject() string {
	if w.installs > 1 {
		return "The installs are"
	}
	return "The install is"
}

// done is what an edit has done.
func (w installWording) done() Text {
	switch {
	case w.leaves != "" || w.partly || w.unnamed || len(w.read) == 0:
		return say(w.subject(), " no longer re-run by changes to the source.")
	case len(w.read) == 1 && !w.includes && !w.workspaces:
		return say(w.subject(), " now re-run only when ", w.files, " changes.")
	}
	return say(w.subject(), " now re-run only when ", w.files, " change.")
}

// listsElsewhere says whether an install is told what to install by another command, or from its input:
// "pip install $(cat list)", "pip install -r /dev/stdin < list".
func listsElsewhere(install shelleffects.Install) bool {
	return install.Unclear && (slices.ContainsFunc(install.Command.Redirects, func(r dockerfile.Redirect) bool { return r.Op == "<" }) || install.Command.Pipe.Index > 0 ||
		slices.ContainsFunc(install.Command.Words, func(w dockerfile.Word) bool { return strings.Contains(w.Value, "$(") || strings.Contains(w.Value, "`") }))
}

func plural(n int) string {
	if n > 1 {
		return "s"
	}
	return ""
}

// onlyPip says that all installs read requirements files in pip's format.
func (g *installGroup) onlyPip() bool {
	for _, s := range g.runs {
		for _, install := range s.installs {
			if install.Tool != "pip" && (install.Tool != "uv" || install.Verb == "sync") {
				return false
			}
		}
	}
	return true
}

// mountText is the mount of a RUN as written.
func (p *Pass) mountText(c *copied) string { return p.textOf(c.flag.Span) }
