package review

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

const (
	maxAnnotations = 50  // of one request
	maxTitle       = 120 // characters of a check run's title
	maxListed      = 100 // files listed with a reason
)

// notAnalysed begins the reasons for which a file was not looked at.
const notAnalysed = "not analysed: "

// checkRun writes the check run of the head; review is the one about to be posted, nil for none.
func (d *decision) checkRun(review *NewReview) *CheckRun {
	if !d.relevant() && d.Config.Check.Run != config.RunAlways {
		return nil
	}
	run := &CheckRun{Head: d.PullRequest.Head}
	open := d.open()
	run.Conclusion = d.conclusion(open)
	run.Title = d.checkTitle(open)
	run.Summary = d.summary(open)
	run.Annotations = d.annotations(open, review, run.Conclusion)
	run.ExternalID = runDigest(d.Ref, *run)
	return run
}

// relevant says whether the pull request touches a build, or a file that says how builds are looked at.
func (d *decision) relevant() bool {
	return len(d.Head.Dockerfiles) > 0 || len(d.findings) > 0 || len(d.Head.Errors) > 0 || len(d.Head.Skipped) > 0 ||
		d.NotAnalysed != "" || len(d.reviews) > 0
}

// conclusion fails only where the configuration asks for it: a finding alone never blocks a merge. It is
// neutral while there is an error or an edit to take, and where a changed file was not looked at; remarks
// that are the author's to weigh leave it a success.
func (d *decision) conclusion(open []*finding) string {
	failOn := d.Config.Check.FailOn
	for _, f := range open {
		// A broken configuration never breaks a merge.
		if failOn != config.FailOnNever && f.config == nil && severityRank[f.Severity] <= severityRank[failOn] && d.NotAnalysed == "" {
			return "failure"
		}
	}
	for _, f := range slices.Concat(open, d.others(open)) {
		if f.Severity == config.SeverityError || f.Suggestion >= 0 {
			return "neutral"
		}
	}
	if d.NotAnalysed != "" || len(d.Head.Skipped) > 0 {
		return "neutral"
	}
	return "success"
}

const untouched = " on lines that this pull request does not touch"

func (d *decision) checkTitle(open []*finding) string {
	others := d.others(open)
	switch {
	case d.NotAnalysed != "":
		return "Not analysed"
	case len(open) == 0 && len(others) > 0:
		return count(len(others), "finding") + untouched
	case len(open) == 0 && !d.relevant():
		return "No build file is changed"
	case len(open) == 0 && len(d.Head.Skipped) > 0:
		return d.skippedTitle()
	case len(open) == 0:
		return "Nothing found"
	}
	first := d.group(open)[0]
	var texts []rules.Text
	for _, f := range first.findings {
		texts = append(texts, f.Title)
	}
	text, ok := joined(texts, 3)
	if !ok {
		text = first.first().Title
	}
	title := strings.TrimSuffix(plain(text), ".")
	c, counted := d.count(first)
	if counted {
		title = c.headline()
	}
	title = shortTitle(title)
	number := 0
	suggestions := map[int]bool{}
	for n, f := range open {
		if f.config == nil || n == 0 {
			number++ // the problems of one configuration count once
		}
		if f.Suggestion >= 0 {
			suggestions[f.Suggestion] = true
		}
	}
	if number > 1 && (!counted || len(suggestions) == 0) {
		title += " · " + count(number, "finding")
	}
	if len(suggestions) > 0 {
		title += " · " + count(len(suggestions), "suggestion")
	}
	return title
}

func shortTitle(title string) string {
	if utf8.RuneCountInString(title) > maxTitle {
		return string([]rune(title)[:maxTitle]) + "…"
	}
	return title
}

// skippedTitle is the title where nothing was found and something not looked at: the reason why, where
// it is one file and there is nothing else.
func (d *decision) skippedTitle() string {
	skipped := d.Head.Skipped
	switch {
	case len(d.Head.Dockerfiles) > 0:
		return "Nothing found · " + count(len(skipped), "file") + " not analysed"
	case len(skipped) > 1:
		return "Not analysed: " + count(len(skipped), "file")
	}
	// What follows the colon explains the reason.
	reason, _, _ := strings.Cut(strings.TrimPrefix(skipped[0].Message, notAnalysed), ": ")
	return shortTitle("Not analysed: " + withoutMentions(visible(reason)))
}

// summary lists what was found, and what was not looked at.
func (d *decision) summary(open []*finding) string {
	var blocks []block
	add := func(text string) { blocks = append(blocks, block{text: text}) }
	if d.NotAnalysed != "" {
		add("This head was not analysed: " + words(strings.TrimSuffix(d.NotAnalysed, ".")) + ".")
	}
	if d.NotAnalysed == "" {
		paths := d.summarised()
		var opening *item
		if len(open) > 0 {
			opening = d.group(open)[0]
		}
		blocks = append(blocks, d.withoutCache(paths, opening)...)
		blocks = append(blocks, d.buildBlocks(paths, false, true)...)
	}
	for _, i := range d.group(open) {
		if f := i.first(); f.config != nil {
			add("- " + sentences(bold(markdown(f.Title)), "("+d.place(f.Path, f.Lines, linesName(f.Lines))+")") + "\n" + indent(configProblems(i)))
			continue
		}
		for n, p := range paragraphs(i.findings, title) {
			numbers := ""
			if n == 0 {
				numbers = d.numbers(i, "the suggestion")
			}
			all := linesOfAll(p.findings)
			where := ""
			if p.findings[0].NewFile == nil {
				where = "(" + d.place(p.findings[0].Path, all[0].Hull(all[len(all)-1]), linesList(all)) + ")"
			}
			add("- " + sentences(bold(p.title), where, p.why, numbers, d.pages(p.findings)))
		}
	}
	others := d.others(open)
	switch n := len(d.Head.Dockerfiles); {
	case len(others) > 0:
		add(count(len(others), "finding") + untouched + ".")
	case len(open) > 0 || d.NotAnalysed != "" || n == 0 && len(d.Head.Skipped) > 0:
	case n > 0:
		add("Looked at " + count(n, "Dockerfile") + ": nothing to say.")
	default:
		add("No file that decides a build is changed.")
	}
	if d.Truncated {
		add("The repository has more files than GitHub lists at once: only the files of the diff were looked at.")
	}
	unsaid := slices.DeleteFunc(slices.Clone(d.Head.Errors), func(p analysis.Problem) bool {
		return slices.ContainsFunc(open, func(f *finding) bool { return f.problem && f.Path == p.Path })
	})
	if text := problems(unsaid, codeSpan); text != "" {
		add("Could not be read:\n\n" + text)
	}
	if text := problems(d.Head.Skipped, words); text != "" {
		add("Not looked at:\n\n" + text)
	}
	for _, line := range d.standingConfigLines() {
		add(line)
	}
	return strings.TrimSpace(assemble(blocks, ""))
}

// summarised are the Dockerfiles whose steps the summary lists.
func (d *decision) summarised() []string {
	var paths []string
	for _, f := range d.Head.Dockerfiles {
		if len(f.Plans) > 0 && len(paths) < maxTables {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// others are the findings of changed files that the pull request did not touch and does not answer for.
func (d *decision) others(open []*finding) []*finding {
	var others []*finding
	for _, f := range d.findings {
		if f.other && !slices.Contains(open, f) {
			others = append(others, f)
		}
	}
	return others
}

func problems(list []analysis.Problem, write func(string) string) string {
	var lines []string
	for n, p := range list {
		if n == maxListed {
			lines = append(lines, fmt.Sprintf("- and %d more", len(list)-n))
			break
		}
		where := codeSpan(p.Path)
		if p.Line > 0 {
			where += fmt.Sprintf(", line %d", p.Line)
		}
		lines = append(lines, "- "+where+": "+write(p.Message))
	}
	return strings.Join(lines, "\n")
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

// annotations show on the files what no comment shows.
func (d *decision) annotations(open []*finding, review *NewReview, conclusion string) []Annotation {
	var all []Annotation
	commented := d.commented(review)
	for _, f := range open {
		if commented[f.id] || commented[f.group] || f.NewFile != nil || len(all) == maxAnnotations {
			continue
		}
		a := Annotation{
			Path: f.Path, First: f.Lines.First, Last: f.Lines.Last, Level: "warning",
			Title:   strings.TrimSuffix(plain(f.Title), "."),
			Message: strings.Join(strings.Fields(plain(f.Why)+" "+plain(f.Advice)), " "),
		}
		if f.config != nil {
			a.Message = f.config.Message
			if len(f.config.Allowed) > 0 {
				a.Message += "; allowed: " + strings.Join(f.config.Allowed, ", ")
			}
			a.Message = withoutMentions(visible(a.Message))
		}
		switch {
		case f.Severity == config.SeverityInfo:
			a.Level = "notice"
		case conclusion == "failure" && f.Severity == config.SeverityError:
			a.Level = "failure"
		}
		if a.Message == "" {
			a.Message = plain(f.Title)
		}
		all = append(all, a)
	}
	return all
}

// commented returns the identities that comments on the lines say, or will.
func (d *decision) commented(review *NewReview) map[string]bool {
	ids := map[string]bool{}
	add := func(m mark) {
		if i := m.Items[0]; !i.Settled {
			for _, id := range i.IDs {
				ids[id] = true
			}
		}
	}
	for _, c := range d.comments {
		if c.Line > 0 {
			add(c.mark)
		}
	}
	if review != nil {
		for _, c := range review.Comments {
			if m, ok := d.Marks.open(d.Ref, c.Body); ok {
				add(m)
			}
		}
	}
	return ids
}

// runDigest names a check run by all that it says, so that an equal one is not made twice.
func runDigest(ref Ref, run CheckRun) string {
	return "hitrate:" + digest(fmt.Sprint(ref.Number), run.Head, run.Conclusion, run.Title, run.Summary, fmt.Sprint(run.Annotations))
}
