package dockerfile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// TestGolden parses the files of testdata/*.txtar: each file NAME has its structure in NAME.want.
// UPDATE=1 rewrites them. In a file, ␍ stands for a carriage return, ␉ for a tab, ⌫ for "the final
// newline is not there", ␇ for a byte order mark.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		var inputs []txtar.File
		for _, f := range archive.Files {
			if name, ok := strings.CutSuffix(f.Name, ".want"); ok {
				want[name] = string(f.Data)
			} else {
				inputs = append(inputs, f)
			}
		}
		archive.Files = nil
		for _, in := range inputs {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar")+"/"+in.Name, func(t *testing.T) {
				got := parsed(unescape(in.Data))
				archive.Files = append(archive.Files, in, txtar.File{Name: in.Name + ".want", Data: []byte(got)})
				if os.Getenv("UPDATE") != "" {
					return
				}
				if diff := cmp.Diff(want[in.Name], got); diff != "" {
					t.Errorf("structure of %s differs (UPDATE=1 rewrites it), -want +got:\n%s", in.Name, diff)
				}
			})
		}
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func unescape(data []byte) []byte {
	data = bytes.ReplaceAll(data, []byte("␍"), []byte("\r"))
	data = bytes.ReplaceAll(data, []byte("␉"), []byte("\t"))
	data = bytes.ReplaceAll(data, []byte("␇"), []byte("\uFEFF"))
	return bytes.ReplaceAll(data, []byte("⌫\n"), nil)
}

func parsed(data []byte) string {
	f, err := Parse(source.New("Dockerfile", data))
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	return dump(f)
}
