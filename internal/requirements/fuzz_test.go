package requirements

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// FuzzParse: no text breaks the reader, and what it gives stands where it says.
func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			f.Add(file.Data)
		}
	}
	f.Add([]byte("\xef\xbb\xbfa\u2028b \\\r\n\t# \xff\\\n\\"))
	f.Fuzz(func(t *testing.T, data []byte) {
		src := source.New("r", data)
		file := Parse(src)
		last := 0
		for _, r := range file.Requirements {
			if r.Span.Start < last || r.Span.End <= r.Span.Start || r.Span.End > len(data) {
				t.Fatalf("span %v after byte %d", r.Span, last)
			}
			last = r.Span.End
			if r.Raw == "" || r.Pinned != (r.Reason == "") {
				t.Fatalf("requirement %+v", r)
			}
			if r.Raw[0] != data[r.Span.Start] || r.Raw[len(r.Raw)-1] != data[r.Span.End-1] {
				t.Fatalf("%q is not at %q", r.Raw, src.Text(r.Span))
			}
			if strings.Contains(r.URL+r.Specifier+r.Marker, variable) && !strings.Contains(string(data), variable) {
				t.Fatalf("a placeholder is left: %+v", r)
			}
		}
		for _, e := range file.Errors {
			if e.Line < 1 || e.Line > src.LineCount() || e.Message == "" {
				t.Fatalf("error %+v", e)
			}
		}
		file.Local()
	})
}
