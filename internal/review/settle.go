package review

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/rules"
)

// reviewUpdates are the new bodies of our reviews, so that each stays current. extra is what came up
// for a head that is reviewed already; it joins the body of that review. again is said in a new one.
func (d *decision) reviewUpdates(extra []*item, reviewed bool, again map[*finding]bool) []BodyUpdate {
	var updates []BodyUpdate
	for n, r := range d.reviews {
		all, known := d.replace(n, again)
		if !known {
			continue
		}
		last := !slices.ContainsFunc(d.reviews[n+1:], func(o ours) bool { return o.mark.Head == d.PullRequest.Head })
		if reviewed && last && r.mark.Head == d.PullRequest.Head {
			for _, i := range extra {
				p := placed{item: i, in: inBody}
				if i.isFolded() {
					p.in = folded
				}
				all = append(all, p)
			}
		}
		body := d.body(all, r.mark.Head)
		if sameText(body, r.Body) {
			continue
		}
		updates = append(updates, BodyUpdate{r.ID, body})
	}
	return updates
}

// sameText compares as GitHub may give a text back.
func sameText(a, b string) bool {
	clean := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return clean(a) == clean(b)
}

// saidLater are the identities that our reviews behind one say outside of their folded lists.
func (d *decision) saidLater(n int) map[string]bool {
	later := map[string]bool{}
	for _, r := range d.reviews[n+1:] {
		for _, i := range r.mark.Items {
			for _, id := range i.IDs {
				later[id] = later[id] || i.In != folded && !i.Settled && !i.Moved
			}
		}
	}
	return later
}

// replace says where the items of our n-th review stand now. What was in a folded list is dropped where a
// later review says it, or a new one will. known is false where a file that it speaks of could not be
// looked at: then the review stays as it is.
func (d *decision) replace(n int, again map[*finding]bool) (all []placed, known bool) {
	later := d.saidLater(n)
	for _, note := range d.reviews[n].mark.Items {
		if note.Settled || note.Moved {
			all = append(all, placed{note: note})
			continue
		}
		open, known := d.openOf(note)
		if !known {
			return nil, false
		}
		if len(open) == 0 {
			note.Settled = true
			note.Accepted = note.Fix != nil && note.Fix.find(d.Texts[note.Path]) > 0
			all = append(all, placed{note: note})
			continue
		}
		if d.withdrawn(open) {
			continue
		}
		if note.In == folded {
			open = slices.DeleteFunc(open, func(f *finding) bool { return again[f] || later[f.id] || later[f.group] })
			if len(open) == 0 {
				note.Moved = true
				all = append(all, placed{note: note})
				continue
			}
		}
		for _, i := range d.group(open) {
			p := placed{item: i, in: note.In, lead: note.Lead}
			if note.In == inline {
				if comment, ok := d.commentOf(note); !ok {
					p.hidden = true // somebody deleted it
				} else if comment.Line == 0 {
					p.in, p.outdated = inBody, true
				}
			}
			all = append(all, p)
			note.Lead = false
		}
	}
	return all, true
}

// openOf returns the findings of an item that are still there; known is false where that could not
// be seen.
func (d *decision) openOf(note markItem) (open []*finding, known bool) {
	ids := map[string]bool{}
	for _, id := range note.IDs {
		ids[id] = true
	}
	for _, f := range d.findings {
		if ids[f.id] || ids[f.group] {
			open = append(open, f)
		}
	}
	if len(open) > 0 || note.Problem {
		return open, true
	}
	return nil, !d.unknown[note.Path] && !d.unknown[note.Dockerfile]
}

// withdrawn says that the pull request has nothing to do with the findings any more.
func (d *decision) withdrawn(open []*finding) bool {
	return !slices.ContainsFunc(open, func(f *finding) bool { return f.inScope || f.other })
}

// commentOf finds the comment that says an item.
func (d *decision) commentOf(note markItem) (Posted, bool) {
	for _, c := range slices.Backward(d.comments) {
		if slices.ContainsFunc(c.mark.Items[0].IDs, func(id string) bool { return slices.Contains(note.IDs, id) }) {
			return c.Posted, true
		}
	}
	return Posted{}, false
}

// settleComments says what becomes of our comments: those whose findings are gone are deleted, or
// say so where somebody answered; the others show the edit that fits now. again is said in a new review.
func (d *decision) settleComments(again map[*finding]bool) (updates []BodyUpdate, deletes []int64) {
	for _, c := range d.comments {
		note := c.mark.Items[0]
		open, known := d.openOf(note)
		if note.Settled || !known {
			continue
		}
		end := ""
		switch {
		case len(open) == 0:
			end = "Settled."
		case d.withdrawn(open):
			end = "This pull request no longer touches it."
		case !slices.ContainsFunc(open, func(f *finding) bool { return !again[f] }):
			end = "Said again in a newer comment, with the edit that fits now."
		}
		switch {
		case end != "" && !d.answered[c.ID]:
			deletes = append(deletes, c.ID)
		case end != "":
			note.Settled = true
			title := note.Title
			if len(title) == 0 {
				title = rules.Text{{Words: "What stood here."}}
			}
			body := bold(end) + " ~~" + markdown(title) + "~~"
			updates = append(updates, BodyUpdate{c.ID, body + "\n\n" + d.Marks.seal(d.Ref, mark{Items: []markItem{note}})})
		case c.Line > 0:
			if body, ok := d.currentComment(c, open); ok {
				updates = append(updates, BodyUpdate{c.ID, body})
			}
		}
	}
	return updates, deletes
}

// currentComment writes a comment that still stands as it should read now; ok is false where it reads so.
func (d *decision) currentComment(c ours, open []*finding) (body string, ok bool) {
	note := c.mark.Items[0]
	i := d.group(open)[0]
	p := placed{item: i, in: inline, lead: note.Lead}
	suggest := false
	if i.suggestion != nil {
		file := d.files[i.suggestion.Path]
		// The comment may have moved, but it still replaces the lines that it was made for.
		suggest = file != nil && note.Anchor != nil && i.suggestion.Path == c.Path && i.suggestion.Lines.Last == c.Line &&
			*note.Anchor == deref(hashLines(linesOf(file, i.suggestion.Lines)))
	}
	body = d.sealedComment(p, c.Path, suggest)
	return body, !sameText(body, c.Body) && utf8.RuneCountInString(body) <= maxBody
}

func deref(h *lineHash) lineHash {
	if h == nil {
		return lineHash{}
	}
	return *h
}
