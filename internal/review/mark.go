package review

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// markVersion is the format of the marks that are written. Marks of another version are not
// believed, which costs one repeated review.
const markVersion = 1

// Marks makes and checks the signed marks in our comments; see DESIGN.md, Identity and noise.
type Marks struct{ key []byte }

// NewMarks derives the key from the webhook secret.
func NewMarks(webhookSecret []byte) Marks {
	key, err := hkdf.Key(sha256.New, webhookSecret, nil, "hitrate review marks", sha256.Size)
	if err != nil {
		// Only a FIPS-only build with a short secret comes here, at start.
		panic(fmt.Sprintf("review: derive key: %v", err))
	}
	return Marks{key: key}
}

// mark is what a review or comment of ours remembers about itself, hidden at its end.
type mark struct {
	Head  string     `json:"head,omitempty"` // of a review: the commit it was posted for
	Items []markItem `json:"items"`          // the most costly first; a comment has one
}

// markItem is one thing that was said: the findings of one comment or of one section of a body.
type markItem struct {
	IDs  []string `json:"ids"`
	Path string   `json:"path"`
	// Dockerfile is the file whose build it is about, where that is another one.
	Dockerfile string `json:"dockerfile,omitempty"`
	// Problem: it is about a file that cannot be read, not a finding of a rule.
	Problem bool  `json:"problem,omitempty"`
	In      place `json:"in"`
	Lead    bool  `json:"lead,omitempty"` // its cause stands in the body, so its comment leaves it out

	Title rules.Text `json:"title,omitempty"`
	Done  rules.Text `json:"done,omitempty"`
	// Anchor is the text of the lines that the suggestion replaces, Fix what it puts there.
	Anchor *lineHash `json:"anchor,omitempty"`
	Fix    *lineHash `json:"fix,omitempty"`

	// Settled: it was seen to be gone, so the same finding would be news again. Accepted says that
	// it went by the suggestion's text.
	Settled  bool `json:"settled,omitempty"`
	Accepted bool `json:"accepted,omitempty"`
	// Moved: it stood in a folded list, and a newer review says it.
	Moved bool `json:"moved,omitempty"`
	// Counted: numbers were said with it, which are worth bringing up to date.
	Counted bool `json:"counted,omitempty"`

	groups []string // what stands for IDs where there are too many items
}

// place is where something was said.
type place string

const (
	inline place = "inline" // in a comment on the lines
	inBody place = "body"   // in a section of the body
	folded place = "folded" // in the body's folded list of what the pull request did not touch
)

// lineHash recognises some lines of a file wherever they stand.
type lineHash struct {
	Count int    `json:"count"`
	Sum   string `json:"sum"`
}

// maxHashed is the most lines that are recognised; it bounds the search.
const maxHashed = 100

// hashLines returns nil for more lines than are recognised.
func hashLines(text string) *lineHash {
	count := strings.Count(text, "\n") + 1
	if count > maxHashed {
		return nil
	}
	return &lineHash{Count: count, Sum: digest(text)}
}

// find returns the first line at which the lines stand in a text, 0 where they do not.
func (h *lineHash) find(text []byte) int {
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i := 0; h.Count > 0 && i+h.Count <= len(lines); i++ {
		if digest(strings.Join(lines[i:i+h.Count], "\n")) == h.Sum {
			return i + 1
		}
	}
	return 0
}

// digest is a short hash: 72 bits as 12 characters.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
}

// findingID is the identity of a finding: it survives shifts of lines, edits of the same command and
// the acceptance of other suggestions.
func findingID(f analysis.Finding) string {
	return digest("finding", f.Rule, f.Path, f.Stage, f.Subject, strconv.Itoa(f.Ordinal))
}

// groupID stands for all findings of a rule in a file, where there are too many to name.
func groupID(rule, path string) string { return digest("group", rule, path) }

// sealed finds a mark at the very end of a text: anywhere else it could be quoted from the pull request.
// The alphabet has no '-', so that a mark cannot end its comment early.
var sealed = lazyregexp.New(`<!-- hitrate:(\d{1,4}):([A-Za-z0-9+/]+)\.([A-Za-z0-9+/]+) -->\s*$`)

// seal returns the hidden comment that carries a mark.
func (m Marks) seal(ref Ref, content mark) string {
	data, err := json.Marshal(content)
	if err != nil {
		panic(fmt.Sprintf("review: encode mark: %v", err)) // strings, numbers and booleans only
	}
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("<!-- hitrate:%d:%s.%s -->", markVersion, encode(data), encode(m.sum(ref, data)))
}

// open returns the mark at the end of a text, where it is one of ours for this pull request.
func (m Marks) open(ref Ref, text string) (mark, bool) {
	found := sealed.FindStringSubmatch(text)
	if found == nil || found[1] != strconv.Itoa(markVersion) {
		return mark{}, false
	}
	data, err := base64.RawStdEncoding.DecodeString(found[2])
	if err != nil {
		return mark{}, false
	}
	sum, err := base64.RawStdEncoding.DecodeString(found[3])
	if err != nil || !hmac.Equal(sum, m.sum(ref, data)) {
		return mark{}, false
	}
	var content mark
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&content); err != nil {
		return mark{}, false
	}
	return content, true
}

func (m Marks) sum(ref Ref, data []byte) []byte {
	h := hmac.New(sha256.New, m.key)
	_, _ = fmt.Fprintf(h, "hitrate mark %d\nrepository %d\npull request %d\n", markVersion, ref.Repository, ref.Number)
	h.Write(data)
	return h.Sum(nil)
}

// withoutMark is a text without the hidden comment at its end.
func withoutMark(text string) string {
	return strings.TrimRight(sealed.ReplaceAllString(text, ""), "\n")
}

// The limits keep a mark far below what a body may hold, whatever a repository brings.
const (
	maxMarkIDs   = 400 // of one item; more are named by their groups
	maxMarkItems = 60  // of a review; more are joined by file
	maxMarkFiles = 100 // of those that are joined
	maxMarkText  = 400 // bytes of the sentences of one item
)

// itemIDs returns the identities of findings, by groups where there are too many, and their groups.
func itemIDs(findings []*finding) (ids, groups []string) {
	seen := map[string]bool{}
	add := func(list []string, id string) []string {
		if seen[id] {
			return list
		}
		seen[id] = true
		return append(list, id)
	}
	for _, f := range findings {
		ids, groups = add(ids, f.id), add(groups, f.group)
	}
	if len(ids) > maxMarkIDs {
		return groups, groups
	}
	return ids, groups
}

// shorten drops sentences that are too long, and joins the items behind the first ones by file: there
// all findings of a rule count as said.
func (m *mark) shorten() {
	for i := range m.Items {
		if textLen(m.Items[i].Title)+textLen(m.Items[i].Done) > maxMarkText {
			m.Items[i].Title, m.Items[i].Done = nil, nil
		}
	}
	if len(m.Items) <= maxMarkItems {
		return
	}
	type key struct {
		path, dockerfile string
		in               place
		problem          bool
	}
	kept := slices.Clone(m.Items[:maxMarkItems])
	index := map[key]int{}
	for _, i := range m.Items[maxMarkItems:] {
		k := key{i.Path, i.Dockerfile, i.In, i.Problem}
		at, ok := index[k]
		switch {
		case i.Settled, i.Moved, !ok && len(index) == maxMarkFiles:
			continue
		case !ok:
			at = len(kept)
			index[k] = at
			kept = append(kept, markItem{Path: i.Path, Dockerfile: i.Dockerfile, In: i.In, Problem: i.Problem})
		}
		for _, id := range i.groups {
			if !slices.Contains(kept[at].IDs, id) {
				kept[at].IDs = append(kept[at].IDs, id)
			}
		}
	}
	m.Items = kept
}

func textLen(t rules.Text) int {
	n := 0
	for _, p := range t {
		n += len(p.Words) + len(p.Code)
	}
	return n
}

// linesOf returns the text of whole lines without the last newline.
func linesOf(f *source.File, l source.Lines) string {
	return strings.TrimSuffix(f.Text(f.SpanFromLines(l)), "\n")
}
