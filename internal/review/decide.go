package review

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Situation is everything that Decide goes by.
type Situation struct {
	Ref         Ref
	PullRequest PullRequest
	Changed     []ChangedFile
	Config      config.Repository
	// ConfigProblems are those of every configuration file that was read.
	ConfigProblems []ConfigProblem
	// Head is what was found at the head, Base at the merge base; nil where that is not known.
	Head analysis.Report
	Base *analysis.Report
	// Texts are the head's files, by path, as far as they are needed to show edits and to know what
	// became of earlier suggestions. BaseTexts are the merge base's, by the path at the head, of
	// changed files without a patch.
	Texts, BaseTexts map[string][]byte
	// NotAnalysed says why nothing is known of the head; "" where it was analysed.
	NotAnalysed string
	// Truncated: GitHub did not list the whole tree.
	Truncated bool

	// Reviews and Comments are all that stand on the pull request; those of Login with a mark that
	// Marks made are ours.
	Reviews, Comments []Posted
	Login             string
	Marks             Marks
	DocsURL           string

	// Allowed are the comments that may still be tried after GitHub refused a review; nil: all. What
	// the others would say goes into the body.
	Allowed map[CommentKey]bool
}

// Origin says whose a configuration file is.
type Origin string

// The origins of configuration problems.
const (
	OfPullRequest  Origin = "pull request" // the pull request brings or changes the file
	OfBase         Origin = "base"         // it is on the base branch already
	OfOrganisation Origin = "organisation"
)

// ConfigProblem is one problem of a configuration file.
type ConfigProblem struct {
	Origin Origin
	config.Error
}

// CommentKey names a comment of a review that was refused by its path and last line.
type CommentKey struct {
	Path string
	Line int
}

// Plan is what should happen on the pull request.
type Plan struct {
	Review         *NewReview // nil: nothing new to say
	UpdateReviews  []BodyUpdate
	UpdateComments []BodyUpdate
	DeleteComments []int64
	Check          *CheckRun // nil: none
	// Standing is our review of this head, or else our first one; 0 for none.
	Standing int64
	// Reviewed: a review of ours for this head stands already.
	Reviewed bool
	// Reason says in a few words why there is no review, or what it says.
	Reason string
}

// BodyUpdate is a new text for something of ours.
type BodyUpdate struct {
	ID   int64
	Body string
}

// finding is a finding with what the pull request has to do with it.
type finding struct {
	analysis.Finding
	id, group string
	// inScope: the pull request touched it, made it or made it worse. other: it did not, but it
	// changes the file.
	inScope, other bool
	problem        bool // about a file that cannot be read: no rule, no page
	counted        bool // its sentences say how many commits
	config         *ConfigProblem
}

// decision holds what is worked out from a situation on the way to a plan.
type decision struct {
	Situation
	changed  map[string]ChangedFile // by path at the head, those removed left out
	diffs    map[string]Diff
	files    map[string]*source.File
	findings []*finding // the most costly first
	unknown  map[string]bool
	reviews  []ours
	comments []ours
	answered map[int64]bool // comments with replies
}

// ours is a review or comment of ours with its mark.
type ours struct {
	Posted
	mark mark
}

// Decide says what should happen. It is pure: the same situation gives the same plan.
func Decide(s Situation) Plan { return decide(s).plan() }

func decide(s Situation) *decision {
	d := &decision{
		Situation: s,
		changed:   map[string]ChangedFile{},
		diffs:     map[string]Diff{},
		files:     map[string]*source.File{},
		unknown:   map[string]bool{},
		answered:  map[int64]bool{},
	}
	for _, f := range s.Changed {
		if f.Status != "removed" {
			d.changed[f.Path] = f
			d.diffs[f.Path] = diffOf(f, s.BaseTexts[f.Path], s.Texts[f.Path])
		}
	}
	for path, text := range s.Texts {
		d.files[path] = source.New(path, text)
	}
	for _, p := range slices.Concat(s.Head.Errors, s.Head.Skipped) {
		d.unknown[p.Path] = true
	}
	d.readPosted()
	d.collect()
	d.countEveryCommit()
	return d
}

func (d *decision) plan() Plan {
	var p Plan
	for i, r := range d.reviews {
		if i == 0 {
			p.Standing = r.ID
		}
		if r.mark.Head == d.PullRequest.Head {
			p.Standing, p.Reviewed = r.ID, true
		}
	}
	mode := d.Config.Mode
	posts := mode == config.ModeReview && d.NotAnalysed == ""
	var fresh []*item
	if posts {
		fresh = d.freshItems()
		if len(fresh) > 0 && !p.Reviewed {
			p.Review = d.newReview(fresh)
		}
		again := map[*finding]bool{} // what the new review says
		if p.Review != nil {
			for _, i := range fresh {
				for _, f := range i.findings {
					again[f] = true
				}
			}
		}
		p.UpdateReviews = d.reviewUpdates(fresh, p.Reviewed, again)
		p.UpdateComments, p.DeleteComments = d.settleComments(again)
	}
	if mode == config.ModeReview || mode == config.ModeCheckOnly {
		p.Check = d.checkRun(p.Review)
	}
	switch {
	case d.NotAnalysed != "":
		p.Reason = notAnalysed + d.NotAnalysed
	case mode == config.ModeObserve:
		p.Reason = "mode observe: " + count(len(d.open()), "finding")
	case mode == config.ModeCheckOnly:
		p.Reason = "mode check-only: " + count(len(d.open()), "finding")
	case p.Review != nil:
		p.Reason = "review with " + count(len(p.Review.Comments), "inline comment")
	case p.Reviewed:
		p.Reason = "reviewed already"
	case len(d.open()) > 0:
		p.Reason = "nothing new to say"
	case len(d.Head.Skipped) > 0:
		p.Reason = "nothing found; " + count(len(d.Head.Skipped), "file") + " not analysed"
	default:
		p.Reason = "nothing found"
	}
	return p
}

// readPosted finds our own reviews and comments, in the order in which they were posted.
func (d *decision) readPosted() {
	for _, p := range d.Reviews {
		if p.Author != d.Login || p.State == "PENDING" {
			continue
		}
		if m, ok := d.Marks.open(d.Ref, p.Body); ok && m.Head != "" {
			d.reviews = append(d.reviews, ours{p, m})
		}
	}
	for _, p := range d.Comments {
		if p.ReplyTo != 0 {
			d.answered[p.ReplyTo] = true
			continue
		}
		if p.Author != d.Login {
			continue
		}
		if m, ok := d.Marks.open(d.Ref, p.Body); ok && m.Head == "" && len(m.Items) == 1 {
			d.comments = append(d.comments, ours{p, m})
		}
	}
	byID := func(a, b ours) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortStableFunc(d.reviews, byID)
	slices.SortStableFunc(d.comments, byID)
}

// saidPaths are the files that our earlier reviews spoke of: they are looked at again even when the
// pull request no longer changes them, to know what became of it.
func saidPaths(ref Ref, marks Marks, login string, reviews []Posted) []string {
	paths := map[string]bool{}
	d := &decision{Situation: Situation{Ref: ref, Marks: marks, Login: login, Reviews: reviews}}
	d.readPosted()
	for _, r := range d.reviews {
		for _, i := range r.mark.Items {
			paths[i.Path] = true
			if i.Dockerfile != "" {
				paths[i.Dockerfile] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

// item is one thing to say: the findings of one suggestion, those of one rule in one requirements
// file, those of one missing file, the problems of one configuration file, or a single finding.
type item struct {
	findings   []*finding // the one that leads first, see leadFirst; without a suggestion by line
	suggestion *analysis.Suggestion
}

func (i *item) first() *finding { return i.findings[0] }

// path is the file that the suggestion changes, or that of the findings.
func (i *item) path() string {
	if i.suggestion != nil {
		return i.suggestion.Path
	}
	return i.first().Path
}

// elsewhere says that the suggestion changes another file than the one that the findings are in: the ignore
// file, for what a COPY brings.
func (i *item) elsewhere() bool { return i.suggestion != nil && i.suggestion.Path != i.first().Path }

// lines are those of the suggestion, or the hull of the findings' lines: of the file path.
func (i *item) lines() source.Lines {
	if i.suggestion != nil {
		return i.suggestion.Lines
	}
	hull := i.first().Lines
	for _, f := range i.findings {
		hull = hull.Hull(f.Lines)
	}
	return hull
}

// suggestionOf is the edit that settles a finding; nil where there is none.
func (d *decision) suggestionOf(f analysis.Finding) *analysis.Suggestion {
	if f.Suggestion < 0 || f.Suggestion >= len(d.Head.Suggestions) {
		return nil
	}
	return &d.Head.Suggestions[f.Suggestion]
}

// group makes items of findings. What one suggestion settles is said together, also what was not asked for.
func (d *decision) group(findings []*finding) []*item {
	type key struct {
		kind, rule, path string
		suggestion       int
	}
	keyOf := func(f *finding) key {
		switch {
		case f.config != nil:
			return key{kind: "configuration", path: f.Path}
		case f.problem:
			return key{}
		case d.suggestionOf(f.Finding) != nil:
			return key{kind: "suggestion", suggestion: f.Suggestion}
		case f.NewFile != nil:
			return key{kind: "new file", rule: f.Rule, path: f.NewFile.Path}
		case f.Path != f.Dockerfile:
			return key{kind: "file", rule: f.Rule, path: f.Path}
		}
		return key{}
	}
	var items []*item
	byKey := map[key]*item{}
	for _, f := range findings {
		k := keyOf(f)
		if i := byKey[k]; i != nil {
			if i.suggestion == nil {
				i.findings = append(i.findings, f)
			}
			continue
		}
		i := &item{findings: []*finding{f}}
		if k.kind == "suggestion" {
			i.suggestion = d.suggestionOf(f.Finding)
			i.findings = slices.DeleteFunc(slices.Clone(d.findings), func(g *finding) bool { return keyOf(g) != k })
			slices.SortStableFunc(i.findings, leadFirst)
		}
		items = append(items, i)
		if k != (key{}) {
			byKey[k] = i
		}
	}
	for _, i := range items {
		if i.suggestion == nil {
			slices.SortStableFunc(i.findings, func(a, b *finding) int { return cmp.Compare(a.Lines.First, b.Lines.First) })
		}
	}
	return joinLines(items)
}

// inManifest says that an item's suggestion is of a line that the finding is in, in another file than the
// Dockerfile: a requirement.
func (i *item) inManifest() bool {
	return i.suggestion != nil && !i.elsewhere() && i.path() != i.first().Dockerfile && !strings.HasPrefix(i.path(), workflows)
}

// workflows is where the other files are whose edits are of their findings' own lines.
const workflows = ".github/workflows/"

// joinLines makes one item of those whose suggestions are of neighbouring lines of a requirements file and that
// say the same: one comment for what stands together. Each suggestion is of lines of its own, so that what is
// proven of each and of all holds for any of them together.
func joinLines(items []*item) []*item {
	var out []*item
	for _, i := range items {
		joins := func(o *item) bool {
			a, b := o.first(), i.first()
			return o.inManifest() && o.path() == i.path() && a.Rule == b.Rule && a.inScope == b.inScope &&
				markdown(a.Why) == markdown(b.Why) && markdown(a.Advice) == markdown(b.Advice) &&
				(o.lines().Last+1 == i.lines().First || i.lines().Last+1 == o.lines().First)
		}
		for i.inManifest() {
			at := slices.IndexFunc(out, joins)
			if at < 0 {
				break
			}
			above, below := out[at], i
			if above.lines().First > below.lines().First {
				above, below = below, above
			}
			s := *above.suggestion
			s.Lines.Last = below.suggestion.Lines.Last
			s.Replacement += "\n" + below.suggestion.Replacement
			s.Findings = append(slices.Clone(s.Findings), below.suggestion.Findings...)
			i = &item{findings: append(slices.Clone(above.findings), below.findings...), suggestion: &s}
			out = slices.Delete(out, at, at+1)
		}
		out = append(out, i)
	}
	return out
}

// said returns the identities that stand in our comments and bodies: as findings of the pull request, or
// in a folded list.
func (d *decision) said() (fully, inFold map[string]bool) {
	fully, inFold = map[string]bool{}, map[string]bool{}
	for _, o := range slices.Concat(d.reviews, d.comments) {
		for _, i := range o.mark.Items {
			for _, id := range i.IDs {
				switch {
				case i.Settled, i.Moved:
				case i.In == folded:
					inFold[id] = true
				default:
					fully[id] = true
				}
			}
		}
	}
	return fully, inFold
}

// freshItems are what has not been said yet, the most costly first, with the place left open except
// for what goes into the folded list.
func (d *decision) freshItems() []*item {
	fully, inFold := d.said()
	var findings, others []*finding
	for _, f := range d.findings {
		switch {
		case fully[f.id] || fully[f.group]:
		case f.inScope:
			findings = append(findings, f)
		case f.other && !inFold[f.id] && !inFold[f.group]:
			others = append(others, f)
		}
	}
	items := d.group(findings)
	taken := map[*finding]bool{}
	for _, i := range items {
		for _, f := range i.findings {
			taken[f] = true
		}
	}
	others = slices.DeleteFunc(others, func(f *finding) bool { return taken[f] })
	return append(items, d.group(others)...)
}

// isFolded says whether an item is about nothing that the pull request touched.
func (i *item) isFolded() bool {
	return !slices.ContainsFunc(i.findings, func(f *finding) bool { return f.inScope })
}

// open are the findings that the pull request answers for.
func (d *decision) open() []*finding {
	var open []*finding
	fully, _ := d.said()
	for _, f := range d.findings {
		if f.inScope || f.other && (fully[f.id] || fully[f.group]) {
			open = append(open, f)
		}
	}
	return open
}
