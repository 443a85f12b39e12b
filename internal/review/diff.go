package review

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/hitrate-bot/hitrate/internal/report"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Diff is what a pull request does to one file, in the lines of the new text (the RIGHT side).
type Diff struct {
	hunks []hunk
	// unknown: there is no patch, so nothing can be anchored.
	unknown bool
	// all: the whole file counts as changed (it is new, and there is no patch to say so).
	all bool
}

// hunk is one hunk, in lines of the new text.
type hunk struct {
	lines source.Lines // context and added rows; empty (Last < First) where it only deletes
	added map[int]bool // added rows
	// deletedBefore holds the new lines right before which rows were deleted; lines.Last+1 for rows
	// deleted at the end of the hunk.
	deletedBefore map[int]bool
}

// ParsePatch reads a unified diff without file headers, as GitHub gives it for one file. The last
// newline may be missing. An empty patch changes nothing.
func ParsePatch(patch string) (Diff, error) {
	if patch == "" {
		return Diff{}, nil
	}
	if !strings.HasSuffix(patch, "\n") {
		patch += "\n"
	}
	files, preamble, err := gitdiff.Parse(strings.NewReader("--- a/file\n+++ b/file\n" + patch))
	if err != nil {
		return Diff{}, fmt.Errorf("parse patch: %w", err)
	}
	if len(files) != 1 || preamble != "" {
		return Diff{}, errors.New("parse patch: not the hunks of one file")
	}
	var d Diff
	for _, fragment := range files[0].TextFragments {
		d.hunks = append(d.hunks, hunkFromFragment(fragment))
	}
	return d, nil
}

func hunkFromFragment(fragment *gitdiff.TextFragment) hunk {
	at := int(fragment.NewPosition)
	if fragment.NewLines == 0 {
		at++ // "+4,0" names the line before the deletion
	}
	h := hunk{lines: source.Lines{First: at}, added: map[int]bool{}, deletedBefore: map[int]bool{}}
	for _, row := range fragment.Lines {
		switch row.Op {
		case gitdiff.OpDelete:
			h.deletedBefore[at] = true
		case gitdiff.OpAdd:
			h.added[at] = true
			at++
		default:
			at++
		}
	}
	h.lines.Last = at - 1
	return h
}

// diffFromTexts is the diff of a file for which GitHub gives no patch: it knows what changed, but
// nothing can be anchored.
func diffFromTexts(before, after string) Diff {
	d, err := ParsePatch(report.Hunks(before, after, 0))
	if err != nil {
		return Diff{unknown: true, all: true}
	}
	d.unknown = true
	return d
}

// Anchor says whether a suggestion for these lines can be committed from the diff: they lie in one
// hunk and no deleted row stands between the first and the last of them.
func (d Diff) Anchor(l source.Lines) bool {
	h, ok := d.hunkOf(l)
	if !ok {
		return false
	}
	for line := l.First + 1; line <= l.Last; line++ {
		if h.deletedBefore[line] {
			return false
		}
	}
	return true
}

// CommentLines returns the lines at which words about l can stand: l where it lies in one hunk, else
// its first line that any hunk shows.
func (d Diff) CommentLines(l source.Lines) (source.Lines, bool) {
	if _, ok := d.hunkOf(l); ok {
		return l, true
	}
	if d.unknown {
		return source.Lines{}, false
	}
	for _, h := range d.hunks {
		if first := max(l.First, h.lines.First); first <= min(l.Last, h.lines.Last) {
			return source.Lines{First: first, Last: first}, true
		}
	}
	return source.Lines{}, false
}

func (d Diff) hunkOf(l source.Lines) (hunk, bool) {
	if d.unknown || l.First < 1 || l.Last < l.First {
		return hunk{}, false
	}
	for _, h := range d.hunks {
		if h.lines.Contains(l) {
			return h, true
		}
	}
	return hunk{}, false
}

// Touches says whether the pull request added or changed one of the lines, or deleted a row between
// them.
func (d Diff) Touches(l source.Lines) bool {
	if d.all {
		return true
	}
	for _, h := range d.hunks {
		for line := max(l.First, h.lines.First); line <= min(l.Last, h.lines.Last+1); line++ {
			if h.added[line] || line > l.First && h.deletedBefore[line] {
				return true
			}
		}
	}
	return false
}

// diffOf reads a changed file's patch; before and after are its texts, used where there is none.
func diffOf(f ChangedFile, before, after []byte) Diff {
	if f.HasPatch {
		if d, err := ParsePatch(f.Patch); err == nil {
			return d
		}
	}
	switch {
	case f.Status == "added":
		return Diff{unknown: true, all: true}
	case before != nil && after != nil:
		return diffFromTexts(string(before), string(after))
	}
	return Diff{unknown: true}
}
