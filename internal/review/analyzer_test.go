package review_test

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// analyze stands for package analysis where a test is about what a review says of findings, not about
// how they are found. It knows "COPY . DEST" before "RUN pip install -r FILE", requirements without
// "==", "FROM NAME:latest", a missing .dockerignore, and "BROKEN" for a line that does not parse.
func analyze(_ context.Context, req analysis.Request) (analysis.Report, error) {
	var report analysis.Report
	for _, e := range req.Tree {
		if !req.Config.MatchesDockerfile(e.Path) || req.Dockerfiles != nil && !slices.Contains(req.Dockerfiles, e.Path) {
			continue
		}
		data, ok := req.Blobs[e.Object]
		if !ok {
			if _, bad := req.Unreadable[e.Object]; !bad {
				report.Needs = append(report.Needs, e.Object)
			}
			continue
		}
		one := &analyzer{req: req, report: &report, path: e.Path, lines: strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")}
		one.run()
	}
	return report, nil
}

type analyzer struct {
	req    analysis.Request
	report *analysis.Report
	path   string
	lines  []string
}

func (a *analyzer) entry(p string) (buildcontext.Entry, bool) {
	at := slices.IndexFunc(a.req.Tree, func(e buildcontext.Entry) bool { return e.Path == p })
	if at < 0 {
		return buildcontext.Entry{}, false
	}
	return a.req.Tree[at], true
}

func (a *analyzer) run() {
	file := analysis.Dockerfile{Path: a.path}
	ignore, ignored := a.entry(".dockerignore")
	if ignored {
		file.IgnoreFile = ignore.Path
	}
	copies, installs := 0, 0
	for n, l := range a.lines {
		switch {
		case l == "BROKEN":
			a.report.Errors = append(a.report.Errors, analysis.Problem{Path: a.path, Line: n + 1, Message: "unknown instruction: BROKEN"})
			return
		case strings.HasPrefix(l, "COPY . "):
			copies = n + 1
		case strings.HasPrefix(l, "RUN ") && strings.Contains(l, "pip install -r "):
			installs = n + 1
			file.Manifests = append(file.Manifests, strings.Fields(l[strings.Index(l, "-r ")+3:])[0])
		}
	}
	touched := a.req.Changed == nil
	for _, p := range append([]string{a.path, file.IgnoreFile}, file.Manifests...) {
		touched = touched || slices.Contains(a.req.Changed, p) && p != ""
	}
	if !touched {
		return
	}
	a.report.Dockerfiles = append(a.report.Dockerfiles, file)
	for n, l := range a.lines {
		if image, ok := strings.CutPrefix(l, "FROM "); ok && strings.HasSuffix(image, ":latest") {
			a.find("unpinned-base", n+1, analysis.Finding{
				Subject: image, Severity: config.SeverityInfo,
				Title:  rules.Text{{Words: "The base image "}, {Code: image}, {Words: " moves."}},
				Here:   rules.Text{{Code: image}, {Words: " moves."}},
				Why:    rules.Text{{Words: "Its tag is pushed anew, and the day the builder fetches it every step runs again."}},
				Advice: rules.Text{{Words: "Name a version."}},
			})
		}
	}
	if copies > 0 && installs > copies {
		a.findInstall(copies, installs, file.Manifests[0])
	}
	if copies > 0 && !ignored {
		a.find("missing-dockerignore", copies, analysis.Finding{
			Severity: config.SeverityInfo,
			Title:    rules.Text{{Words: "No "}, {Code: ".dockerignore"}, {Words: " applies to this build, so "}, {Code: ".git"}, {Words: " and everything else goes along."}},
			NewFile:  &rules.NewFile{Path: ".dockerignore", Text: ".git\nDockerfile\n.dockerignore\n"},
		})
	}
	for _, m := range file.Manifests {
		a.findRequirements(m)
	}
}

func (a *analyzer) find(rule string, line int, f analysis.Finding) int {
	if severity, _ := a.req.Config.Rule(rule, a.path); severity != "" {
		f.Severity = severity
	}
	if f.Severity == config.SeverityOff {
		return -1
	}
	if f.Path == "" {
		f.Path = a.path
	}
	f.Rule, f.Dockerfile, f.Suggestion = rule, a.path, -1
	f.Lines = source.Lines{First: line, Last: line}
	for _, g := range a.report.Findings {
		if g.Rule == f.Rule && g.Path == f.Path && g.Subject == f.Subject {
			f.Ordinal++
		}
	}
	a.report.Findings = append(a.report.Findings, f)
	return len(a.report.Findings) - 1
}

func (a *analyzer) findInstall(from, to int, manifest string) {
	dest := strings.TrimPrefix(a.lines[from-1], "COPY . ")
	broad := a.find("copy-before-install", to, analysis.Finding{
		Severity: config.SeverityWarning, Subject: "pip " + manifest, Weight: len(a.req.Tree),
		Related: []analysis.Place{{Path: a.path, Lines: source.Lines{First: from, Last: from}}},
		Title:   rules.Text{{Words: "Every commit re-runs the pip install."}},
		Here:    rules.Text{{Words: "Every commit re-runs this install."}},
		Why: rules.Text{{Words: "It reads only "}, {Code: manifest}, {Words: ", but "}, {Code: a.lines[from-1]},
			{Words: fmt.Sprintf(" (line %d) puts every file in front of it.", from)}},
		Advice: rules.Text{{Words: "Copy the requirements first and the rest after it."}},
		Done:   rules.Text{{Words: "The install is now re-run only when "}, {Code: manifest}, {Words: " changes."}},
	})
	run := a.lines[to-1]
	cache := -1
	if !strings.Contains(run, "--mount") && !strings.Contains(run, "--no-cache-dir") {
		run = strings.Replace(run, "RUN ", "RUN --mount=type=cache,target=/root/.cache/pip ", 1)
		cache = a.find("pip-cache-kept", to, analysis.Finding{
			Severity: config.SeverityInfo, Subject: "pip",
			Title: rules.Text{{Words: "pip's cache stays in the image."}},
			Here:  rules.Text{{Words: "pip's cache stays in the image."}},
			Why:   rules.Text{{Words: "The layer ships the downloads."}},
		})
	}
	if a.req.WithoutFixes {
		return
	}
	if broad < 0 {
		if cache >= 0 {
			a.suggest(source.Lines{First: to, Last: to}, run, true, cache)
		}
		return
	}
	lines := []string{"COPY " + manifest + " " + strings.TrimSuffix(dest, "/") + "/"}
	lines = append(lines, a.lines[from:to-1]...)
	lines = append(lines, run, a.lines[from-1])
	findings := []int{broad}
	if cache >= 0 {
		findings = append(findings, cache)
	}
	a.suggest(source.Lines{First: from, Last: to}, strings.Join(lines, "\n"), cache >= 0, findings...)
}

func (a *analyzer) suggest(at source.Lines, replacement string, note bool, findings ...int) {
	s := analysis.Suggestion{Path: a.path, Lines: at, Replacement: replacement, Findings: findings}
	if note {
		s.Notes = []rules.Text{{{Words: "The cache mount keeps pip's downloads out of the image and for the next build on the same builder (GitHub's hosted runners do not keep it)."}}}
	}
	for _, f := range findings {
		a.report.Findings[f].Suggestion = len(a.report.Suggestions)
	}
	a.report.Suggestions = append(a.report.Suggestions, s)
}

func (a *analyzer) findRequirements(manifest string) {
	e, ok := a.entry(path.Clean(manifest))
	if !ok {
		return
	}
	data, ok := a.req.Blobs[e.Object]
	if !ok {
		if _, bad := a.req.Unreadable[e.Object]; !bad {
			a.report.Needs = append(a.report.Needs, e.Object)
		}
		return
	}
	for n, l := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		if l == "" || strings.Contains(l, "==") {
			continue
		}
		a.find("unpinned-requirement", n+1, analysis.Finding{
			Path: e.Path, Subject: l, Severity: config.SeverityInfo,
			Title:  rules.Text{{Code: l}, {Words: " is not pinned.", Many: " are not pinned."}},
			Here:   rules.Text{{Code: l}, {Words: " is not pinned.", Many: " are not pinned."}},
			Why:    rules.Text{{Words: "The cached install keeps the version it found until something above it changes; then it moves without anyone asking."}},
			Advice: rules.Text{{Words: "Pin it, or install from a lock file."}},
		})
	}
}
