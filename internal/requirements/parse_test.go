package requirements

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// golden runs every archive below a directory: render turns its files into the text that its last
// file, "want", holds. UPDATE=1 writes it.
func golden(t *testing.T, dir string, render func(t *testing.T, files map[string]*source.File) string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(names) == 0 {
		t.Fatalf("find cases: %v, %d found", err, len(names))
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			last := len(a.Files) - 1
			if last < 0 || a.Files[last].Name != "want" {
				t.Fatal("the last file of the archive must be want")
			}
			files := map[string]*source.File{}
			for _, f := range a.Files[:last] {
				files[f.Name] = source.New(f.Name, f.Data)
			}
			got := render(t, files)
			if os.Getenv("UPDATE") == "1" {
				a.Files[last].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(a.Files[last].Data), got); diff != "" {
				t.Errorf("-want +got (UPDATE=1 accepts it):\n%s", diff)
			}
		})
	}
}

func TestParse(t *testing.T) {
	golden(t, "parse", func(t *testing.T, files map[string]*source.File) string {
		return show(Parse(files["requirements.txt"]))
	})
}

// show writes a file's content one line for each thing, by lines of the file.
func show(f *File) string {
	var out strings.Builder
	for _, r := range f.Requirements {
		fmt.Fprintf(&out, "%s %s\n", lines(f, r.Span), describe(r))
	}
	for _, i := range f.Includes {
		kind := "requirements"
		if i.Constraint {
			kind = "constraints"
		}
		fmt.Fprintf(&out, "%s includes %s %s\n", lines(f, i.Span), kind, i.Path)
	}
	for _, o := range f.Options {
		fmt.Fprintf(&out, "%s option %s %s\n", lines(f, o.Span), o.Name, o.Value)
	}
	for _, e := range f.Errors {
		fmt.Fprintf(&out, "%d error: %s\n", e.Line, e.Message)
	}
	return strings.ReplaceAll(out.String(), " \n", "\n")
}

func describe(r Requirement) string {
	s := r.Kind.String()
	if r.Editable {
		s += " editable"
	}
	if r.Name != "" {
		s += " " + r.Name
	}
	if len(r.Extras) > 0 {
		s += "[" + strings.Join(r.Extras, ",") + "]"
	}
	if r.Specifier != "" {
		s += " " + r.Specifier
	}
	if r.URL != "" {
		s += " <" + r.URL + ">"
	}
	for _, h := range r.Hashes {
		s += " " + h
	}
	if r.Marker != "" {
		s += " ; " + r.Marker
	}
	if r.NotOnLinux {
		s += " (not on Linux)"
	}
	if r.Pinned {
		return s + ": pinned"
	}
	return s + ": " + r.Reason
}

func lines(f *File, s source.Span) string {
	l := f.Source.LinesFromSpan(s)
	if l.First == l.Last {
		return fmt.Sprint(l.First)
	}
	return fmt.Sprintf("%d-%d", l.First, l.Last)
}

// What a text file in an archive cannot show.
func TestParseBytes(t *testing.T) {
	tests := []struct{ name, data, want string }{
		{"empty", "", ""},
		{"no final newline", "a==1\nb", "1 named a ==1: pinned\n2 named b: no version\n"},
		{"CRLF", "a==1\r\nb \\\r\n  >=2\r\n", "1 named a ==1: pinned\n2-3 named b >=2: a range of versions\n"},
		{"UTF-8 byte order mark", "\xef\xbb\xbfa==1\n", "1 named a ==1: pinned\n"},
		{"UTF-16", "\xff\xfea\x00\n\x00", "1 error: the file is UTF-16 or UTF-32; pip reads it, hitrate reads UTF-8 only\n"},
		{"Latin-1 in a comment", "# caf\xe9\na==1 # \xe9\n", "2 named a ==1: pinned\n"},
		{"Latin-1 in a name", "caf\xe9==1\n", "1 error: what follows the name is no comparison of versions\n"},
		{"backslash at the end of the file", "a==1 \\", "1 named a ==1: pinned\n"},
		{"backslash before an empty line", "a==1 \\\n\nb==1\n", "1 named a ==1: pinned\n3 named b ==1: pinned\n"},
		{"blank behind the backslash", "a==1 \\ \n--pre\n", "2 option --pre\n1 error: comparisons of versions need a comma between them\n"},
		{"a form feed is a line end for Python", "a==1\fb==2\n", "1 named a ==1: pinned\n1 named b ==2: pinned\n"},
		{"no-break space before a comment", "a==1\u00a0# x\n", "1 named a ==1: pinned\n"},
		{"tabs do not part options", "a==1\t--hash=sha256:aa\n", "1 error: comparisons of versions need a comma between them\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, show(Parse(source.New("requirements.txt", []byte(test.data))))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A hostile file costs little: what is read of it is bounded, and time grows with its size.
func TestParseHostile(t *testing.T) {
	const size = 1 << 20
	for name, unit := range map[string]string{
		"requirements":       "a\n",
		"variables":          "${A}",
		"continuations":      "\\\n",
		"words in a line":    "-e a ",
		"short options":      "-ZZZZ",
		"parentheses":        "a;((((",
		"and":                "a;python_version>'3'and ",
		"quotes":             "-i '\" ",
		"comparisons":        "a>1,",
		"comments":           " #",
		"wild line endings":  "a\r\u2028",
		"separators in name": "a-_.",
	} {
		t.Run(name, func(t *testing.T) {
			f := Parse(source.New("r", []byte(strings.Repeat(unit, size/len(unit)))))
			if len(f.Requirements) > maxLines || len(f.Errors) > maxErrors {
				t.Errorf("%d requirements, %d errors", len(f.Requirements), len(f.Errors))
			}
		})
	}
}

// The span is what an edit replaces and what a review points at.
func TestSpan(t *testing.T) {
	data := "\n  a==1 \\\n   --hash=sha256:aa  # why\n# no\nb ; python_version>'3'\n"
	f := Parse(source.New("r", []byte(data)))
	var got []string
	for _, r := range f.Requirements {
		got = append(got, f.Source.Text(r.Span))
	}
	want := []string{"a==1 \\\n   --hash=sha256:aa", "b ; python_version>'3'"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
