package rules

import (
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
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
	c := g.copy
	var names []string
	leaves := ""
	several, manifests := 0, 0
	partly, includes, unnamed, workspaces, listed := false, false, false, false, false
	for _, s := range g.runs {
		for n, install := range s.installs {
			several++
			if name := installName(install); !slices.Contains(names, name) {
				names = append(names, name)
			}
			if p.fromClone(g.lane, s.i, install) {
				continue
			}
			r := s.reads[n]
			if install.Leaves != "" && p.isPackage(r, install) {
				leaves = install.Leaves
			}
			partly = partly || install.NeedsSource != "" && install.Leaves == "" || r.set != nil && len(r.set.Local()) > 0
			includes = includes || r.set != nil && len(r.set.Files) > len(r.named)
			workspaces = workspaces || p.hasWorkspaces(r, install)
			manifests += len(install.Manifests)
			listed = listed || listsElsewhere(install)
			unnamed = unnamed || slices.ContainsFunc(install.Manifests, func(m shelleffects.Manifest) bool { return m.Path == "" })
		}
	}
	var what, here Text
	switch {
	case len(names) == 1:
		what = say("the "+names[0], plural(several))
	case len(names) == 2:
		what = say("the "+names[0], " and the "+names[1])
	default:
		what = say("the dependency installs")
	}
	here = say("this install")
	if several > 1 {
		here = say("these installs")
	}
	copyText := code(p.textOf(c.in.Span))
	if c.mount {
		copyText = code(p.mountText(c))
	}
	every := say("Every change to what ", copyText, " brings re-runs ")
	if c.root() && g.anchor() == c.in && p.Context != nil && p.Context.IgnoreFile == "" && (p.Context.Build.Context == "." || p.Context.Build.Context == "") {
		every = say(EveryCommit)
	}
	f.Title = say(every, what, ".")
	f.Here = say(every, here, ".")

	it, they := "It reads", "it"
	if several > 1 {
		it, they = "They read", "them"
	}
	var reads Text
	files := list(read)
	if includes {
		files = say(files, " with what ", map[bool]string{true: "it includes", false: "they include"}[len(read) == 1])
	}
	if workspaces {
		files = say(files, " with the manifests of the workspaces")
	}
	switch {
	case len(read) > 0 && unnamed:
		reads = say(it, " only ", files, " and what variables name, but ")
	case len(read) > 0 && (leaves != "" || partly):
		reads = say("The dependencies are named in ", files, ", but ")
	case len(read) > 0:
		reads = say(it, " only ", files, ", but ")
		f.Doubted = &Doubt{By: []Reason{ManifestUnknown, ManifestMissing, ConfigurationFile, NotProven, OtherArguments}}
		f.Doubted.Why = say("The dependencies are named in ", files, ", but ")
		if !g.onlyPip() {
			f.Doubted.By = append(f.Doubted.By, NeedsSource) // of pip, another install of the step does
		}
	case manifests > 0 || listed:
		reads = say(it, " only what names the dependencies, but ")
	default:
		reads = say(it, " no file of the source, but ")
	}
	brings := say(" puts every file in front of ", they, ".")
	if n := c.excess(nil); !c.root() || p.Context == nil {
		switch {
		case n == 1:
			brings = say(" puts another file in front of ", they, ".")
		case n > 1:
			brings = say(" puts ", n, " other files in front of ", they, ".")
		default:
			brings = say(" puts a whole directory in front of ", they, ".")
		}
	}
	if c.mount {
		brings = say(" mounts more than that.")
	}
	f.Why = say(reads, copyText, " (line ", p.line(g.anchor()), ")", brings)
	if f.Doubted != nil {
		f.Doubted.Why = say(f.Doubted.Why, copyText, " (line ", p.line(g.anchor()), ")", brings)
		needs := map[bool]string{true: "the installs need", false: "the install needs"}[several > 1]
		these := map[bool]string{true: "that file", false: "those files"}[len(read) == 1 && !includes]
		f.Doubted.Advice = say("Copy ", these, " and what else ", needs, " first.")
		if c.mount {
			f.Doubted.Advice = say("Mount only ", these, " and what else ", needs, ".")
		}
	}

	switch {
	case leaves != "":
		these := list(read)
		if len(read) > 1 { // the cause names them, and a comment takes five lines
			these = say("the manifests")
		}
		f.Advice = say("Copy ", these, " first and install with ", code(leaves), "; then copy the rest and install the project.")
	case c.mount && len(read) > 0:
		f.Advice = say("Mount ", files, " alone.")
	case partly && len(read) > 0:
		f.Advice = say("Copy ", files, " first and install from it alone; then copy the rest and install that.")
	case len(read) == 0 && manifests == 0 && !listed:
		f.Advice = say("Put ", they, " above the COPY.")
	case g.onlyPip():
		f.Advice = say("Copy the requirements first and the rest after ", they, ".")
	case workspaces:
		f.Advice = say("Copy the manifests first and the rest after ", they, ".")
	case len(read) > 0:
		f.Advice = say("Copy ", list(read), " first and the rest after ", they, ".")
	default:
		f.Advice = say("Copy what names the dependencies first and the rest after ", they, ".")
	}
	subject := "The install is"
	if several > 1 {
		subject = "The installs are"
	}
	f.Done = say(subject, " no longer re-run by changes to the source.")
	if f.Doubted != nil {
		f.Doubted.Done = f.Done
	}
	switch {
	case leaves != "" || partly || unnamed || len(read) == 0:
	case len(read) == 1 && !includes && !workspaces:
		f.Done = say(subject, " now re-run only when ", files, " changes.")
	default:
		f.Done = say(subject, " now re-run only when ", files, " change.")
	}
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
