package requirements

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/source"
)

func TestCollect(t *testing.T) {
	golden(t, "collect", func(t *testing.T, files map[string]*source.File) string {
		install := Parse(files["install"])
		var paths, constraints []string
		for _, i := range install.Includes {
			if i.Constraint {
				constraints = append(constraints, i.Path)
			} else {
				paths = append(paths, i.Path)
			}
		}
		set, err := Collect(paths, constraints, func(path string) (*source.File, error) {
			if path == "unreadable.txt" {
				return nil, errors.New("not fetched yet")
			}
			if f, ok := files[path]; ok {
				return f, nil
			}
			return nil, fmt.Errorf("read %s: %w", path, fs.ErrNotExist)
		})
		return showSet(set, err)
	})
}

func showSet(s *Set, err error) string {
	var out strings.Builder
	if err != nil {
		fmt.Fprintf(&out, "error: %v\n", err)
	}
	for _, f := range s.Files {
		kind := "requirements"
		if s.Constraints[f.Source.Path] {
			kind = "constraints"
		}
		fmt.Fprintf(&out, "%s %s\n", kind, f.Source.Path)
	}
	for _, m := range s.Missing {
		fmt.Fprintf(&out, "missing %s, named by %s:%d: %s\n", m.Path, m.From, m.Line, m.Reason)
	}
	for _, r := range s.Unpinned() {
		fmt.Fprintf(&out, "unpinned %s:%s %s\n", r.File.Source.Path, lines(r.File, r.Requirement.Span), describe(r.Requirement))
	}
	for _, r := range s.Local() {
		fmt.Fprintf(&out, "local %s:%s %s\n", r.File.Source.Path, lines(r.File, r.Requirement.Span), r.Requirement.Raw)
	}
	return out.String()
}

// A set is bounded in depth, in number and in bytes, whatever a repository holds.
func TestCollectBounds(t *testing.T) {
	big := strings.Repeat("# x\n", 1<<18) // 1 MiB
	tests := []struct {
		name  string
		text  func(path string) string
		files int
		want  string
	}{
		{"a chain", func(path string) string { return "-r " + path + "x" }, maxDepth, "too many files include each other"},
		{"a fan", func(path string) string {
			if path != "r" {
				return "x"
			}
			var b strings.Builder
			for i := range 1000 {
				fmt.Fprintf(&b, "-r f%d\n", i)
			}
			return b.String()
		}, maxFiles, "too many files include each other"},
		{"large files", func(path string) string { return "-r " + path + "x\n" + big }, 7, "the files are too large together"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, err := Collect([]string{"r"}, nil, func(path string) (*source.File, error) {
				return source.New(path, []byte(test.text(path))), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(set.Files) != test.files {
				t.Errorf("%d files, want %d", len(set.Files), test.files)
			}
			if len(set.Missing) == 0 || set.Missing[0].Reason != test.want {
				t.Errorf("missing %v, want %q", set.Missing, test.want)
			}
		})
	}
}

func TestRequireHashes(t *testing.T) {
	for text, want := range map[string]bool{
		"a==1\n":                     false,
		"--require-hashes\n":         true,
		"a==1 --hash=sha256:aa\nb\n": true,
	} {
		if got := Parse(source.New("r", []byte(text))).RequireHashes(); got != want {
			t.Errorf("RequireHashes(%q) = %v, want %v", text, got, want)
		}
	}
}
