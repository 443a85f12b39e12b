package dockerfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// FuzzParse: no input panics; every position holds, and the instructions are BuildKit's; what
// BuildKit's parser refuses is refused, on a line of the file.
func FuzzParse(f *testing.F) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if !strings.HasSuffix(file.Name, ".want") {
				f.Add(unescape(file.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		silence(t, data)
		file, err := Parse(source.New("Dockerfile", data))
		if err != nil {
			var refusal *Error
			var limit *LimitError
			switch {
			case errors.As(err, &limit):
			case errors.As(err, &refusal):
				if strings.Contains(refusal.Message, "positions within") {
					t.Errorf("BuildKit's parser reads another line: %v", err)
				}
				if refusal.Line < 0 || refusal.Line > bytes.Count(data, []byte("\n"))+1 {
					t.Errorf("line %d of %d", refusal.Line, bytes.Count(data, []byte("\n"))+1)
				}
			default:
				t.Errorf("error of type %T", err)
			}
			return
		}
		if _, err := parser.Parse(bytes.NewReader(data)); err != nil {
			t.Errorf("BuildKit refuses it: %v", err)
		}
		checkPositions(t, file)
		if _, err := file.States(map[string]string{"A": "b"}); err != nil {
			var limit *LimitError
			if !errors.As(err, &limit) {
				t.Errorf("error of type %T", err)
			}
		}
		for _, stage := range file.Stages {
			file.BaseImage(stage, nil)
		}
		file.Needed("", nil)
		file.Shipped("", nil)
	})
}

// silence skips what BuildKit's lexer complains about on standard error, where the complaints of a
// fuzzer's inputs fill the disk.
func silence(t *testing.T, data []byte) {
	if !lexable(string(bytes.TrimPrefix(data, byteOrderMark))) {
		t.Skip()
	}
}

// FuzzRun: no script panics, and the positions of its commands are inside the instruction.
func FuzzRun(f *testing.F) {
	for _, script := range []string{
		"pip install -r requirements.txt && rm -rf /root/.cache", "set -e; cd /x || exit 1; sh -c 'a; b'",
		"export A=1 B && env -u C D=$E sudo -u x time a", "a | b || c &\nd", "if a; then b; elif c; then d; else e; fi",
		"case $x in a|b) c;; esac", "for i in 1 2; do a $(b `c`); done", "bash -e <<'E'\na \\\nb\nE", "f() { a; }; f",
		"[[ -f a ]] && ((x++)) && let y=1", "cat <<-E >f 2>&1\n\ta\n\tE\nb", "! { a; } > b", "declare -x A=(b c)", "$'a\\n' \"b\\\"c\" d\\ e ~/f",
	} {
		f.Add(script, false)
		f.Add(script, true)
	}
	f.Fuzz(func(t *testing.T, script string, heredoc bool) {
		silence(t, []byte(script))
		text := "FROM alpine\nRUN " + strings.ReplaceAll(script, "\n", "\\\n")
		if heredoc {
			text = "FROM alpine\nRUN <<END_OF_SCRIPT\n" + script + "\nEND_OF_SCRIPT\n"
		}
		file, err := Parse(source.New("Dockerfile", []byte(text)))
		if err != nil {
			return
		}
		checkPositions(t, file)
	})
}

// TestCorpus parses the Dockerfiles under a directory, as a check on real files: DOCKERFILES=DIR.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("DOCKERFILES")
	if dir == "" {
		t.Skip("DOCKERFILES names no directory")
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.Contains(strings.ToLower(d.Name()), "dockerfile") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := Parse(source.New(path, data))
		if err != nil {
			t.Log(err)
			return nil
		}
		checkPositions(t, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
