package githubtest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Row is one row of a hunk.
type Row struct {
	Kind      byte // ' ', '+', '-'
	Old, New  int  // line numbers in the old and the new blob; 0 where the row has none
	Text      string
	NoNewline bool // the line has no newline at its end
}

// Hunk is one hunk of a file's diff.
type Hunk struct {
	Header string // the whole @@ line
	Rows   []Row
	first  int // the position of its first row, as the API counts: lines below the file's first @@
}

// changedFile is one file of a diff.
type changedFile struct {
	path, previous  string // previous: of a rename
	status          string
	mode            string // of the new side; of the old one where removed
	id, oldID       string // blobs; "" where there is none
	patch           string // from the first @@, without the last newline
	hasPatch        bool
	additions, gone int
	hunks           []Hunk
	retyped         bool // a file became a link, a submodule, or the reverse
}

// diff compares two commits as GitHub's pull request page does: renames found, three lines of
// context, no file headers. limit is the number of changed lines above which no patch is given.
func (d gitDir) diff(from, to string, limit int) ([]*changedFile, error) {
	common := []string{"diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv", "--no-color", "--diff-algorithm=myers"}
	raw, err := d.run(nil, append(common[:len(common):len(common)], "--raw", "-z", "--no-abbrev", from, to)...)
	if err != nil {
		return nil, err
	}
	files, err := parseRaw(string(raw))
	if err != nil || len(files) == 0 {
		return nil, err
	}
	text, err := d.run(nil, append(common[:len(common):len(common)], "-p", "-U3", "--full-index", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", from, to)...)
	if err != nil {
		return nil, err
	}
	sections := splitSections(text)
	for _, f := range files {
		n := 1
		if f.retyped {
			n = 2 // a file that became a link is shown as deleted and created
		}
		if len(sections) < n {
			return nil, fmt.Errorf("compare %s with %s: %d files and fewer sections", from, to, len(files))
		}
		section := sections[0]
		sections = sections[n:]
		if n == 2 {
			continue
		}
		f.read(section, limit)
	}
	return files, nil
}

// parseRaw reads the output of diff-tree --raw -z.
func parseRaw(raw string) ([]*changedFile, error) {
	fields := strings.Split(strings.TrimSuffix(raw, "\x00"), "\x00")
	var files []*changedFile
	for len(fields) >= 2 {
		meta := strings.Fields(strings.TrimPrefix(fields[0], ":"))
		if len(meta) != 5 {
			return nil, fmt.Errorf("read diff: unknown row %q", fields[0])
		}
		f := &changedFile{mode: meta[1], oldID: meta[2], id: meta[3], path: fields[1]}
		fields = fields[2:]
		switch meta[4][0] {
		case 'A':
			f.status, f.oldID = "added", ""
		case 'D':
			f.status, f.mode, f.id = "removed", meta[0], ""
		case 'R':
			f.status, f.previous = "renamed", f.path
			if len(fields) == 0 {
				return nil, fmt.Errorf("read diff: rename of %q without a new name", f.path)
			}
			f.path, fields = fields[0], fields[1:]
		case 'T':
			f.status, f.retyped = "changed", true
		default:
			f.status = "modified"
			if f.oldID == f.id {
				f.status = "changed" // the mode alone
			}
		}
		files = append(files, f)
	}
	return files, nil
}

// splitSections cuts a patch at its file headers. A row of content never begins with "diff --git":
// it has its sign first.
func splitSections(text []byte) [][]byte {
	const header = "diff --git "
	var sections [][]byte
	for len(text) > 0 {
		end := bytes.Index(text[1:], []byte("\n"+header))
		if end < 0 {
			return append(sections, text)
		}
		sections = append(sections, text[:end+2])
		text = text[end+2:]
	}
	return sections
}

// read takes the hunks of a file from its section of a patch.
func (f *changedFile) read(section []byte, limit int) {
	at := bytes.Index(section, []byte("\n@@ "))
	if at < 0 {
		return // binary, a pure rename, the mode alone
	}
	f.patch = strings.TrimSuffix(string(section[at+1:]), "\n")
	f.hunks = parseHunks(f.patch)
	for _, h := range f.hunks {
		for _, r := range h.Rows {
			switch r.Kind {
			case '+':
				f.additions++
			case '-':
				f.gone++
			}
		}
	}
	f.hasPatch = true
	if limit > 0 && f.additions+f.gone > limit {
		f.patch, f.hunks, f.hasPatch = "", nil, false
	}
}

// parseHunks reads a patch that git wrote.
func parseHunks(patch string) []Hunk {
	var hunks []Hunk
	var old, new int
	for i, line := range strings.Split(patch, "\n") {
		switch {
		case strings.HasPrefix(line, "@@ "):
			fields := strings.Fields(line)
			old, new = hunkStart(fields[1]), hunkStart(fields[2])
			hunks = append(hunks, Hunk{Header: line, first: i + 1})
		case len(hunks) == 0 || line == "":
		case line[0] == '\\':
			rows := hunks[len(hunks)-1].Rows
			if len(rows) > 0 {
				rows[len(rows)-1].NoNewline = true
			}
		default:
			h := &hunks[len(hunks)-1]
			r := Row{Kind: line[0], Text: line[1:]}
			if r.Kind != '+' {
				r.Old = old
				old++
			}
			if r.Kind != '-' {
				r.New = new
				new++
			}
			h.Rows = append(h.Rows, r)
		}
	}
	return hunks
}

// hunkStart reads the first number of "-12,3" or "+4".
func hunkStart(s string) int {
	first, _, _ := strings.Cut(s[1:], ",")
	n, _ := strconv.Atoi(first)
	return n
}

// The sides of a diff, as the API names them.
const (
	left  = "LEFT"
	right = "RIGHT"
)

// on returns the row's line number on a side, or 0.
func (r Row) on(side string) int {
	if side == left {
		return r.Old
	}
	return r.New
}

// find returns the hunk and the row of a line on a side.
func (f *changedFile) find(side string, line int) (hunk, row int, ok bool) {
	if line < 1 {
		return 0, 0, false
	}
	for i, h := range f.hunks {
		for j, r := range h.Rows {
			if r.on(side) == line {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// positionOf is the API's position of a row: the number of lines below the first @@ of the file.
func (h Hunk) positionOf(row int) int {
	position := h.first + row
	for _, r := range h.Rows[:row] {
		if r.NoNewline {
			position++ // the "\ No newline" row counts as a line of the diff
		}
	}
	return position
}

// at returns the hunk and row of a position.
func (f *changedFile) at(position int) (hunk, row int, ok bool) {
	for i, h := range f.hunks {
		for j := range h.Rows {
			if h.positionOf(j) == position {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// excerpt is the diff_hunk of a comment: the hunk down to the row.
func (h Hunk) excerpt(row int) string {
	var b strings.Builder
	b.WriteString(h.Header)
	for _, r := range h.Rows[:row+1] {
		b.WriteByte('\n')
		b.WriteByte(r.Kind)
		b.WriteString(r.Text)
	}
	return b.String()
}
