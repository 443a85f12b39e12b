package buildcache

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// FuzzCompile: whatever parses compiles or is refused with one of the documented errors, twice in
// the same way, and what the target alone needs is in the plan of all stages.
func FuzzCompile(f *testing.F) {
	files, err := filepath.Glob("testdata/plan/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range archive.Files {
			if section.Name == "Dockerfile" {
				f.Add(string(section.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := dockerfile.Parse(source.New("Dockerfile", []byte(text)))
		if err != nil {
			return
		}
		args := map[string]string{"GIVEN": "x"}
		all, err := Compile(t.Context(), Inputs{File: file, Args: args, AllStages: true})
		again, errAgain := Compile(t.Context(), Inputs{File: file, Args: args, AllStages: true})
		if err != nil {
			var (
				broken  *dockerfile.Error
				limit   *dockerfile.LimitError
				missing *MissingArgError
				unset   *UnsetError
			)
			if !errors.As(err, &broken) && !errors.As(err, &limit) && !errors.As(err, &missing) && !errors.As(err, &unset) {
				t.Errorf("error %T: %v", err, err)
			}
			if errAgain == nil || errAgain.Error() != err.Error() {
				t.Errorf("errors %q and %q", err, errAgain)
			}
			if broken != nil && (broken.Line < 0 || broken.Line > file.Source.LineCount() || strings.Contains(broken.Message, "frontend failed")) {
				t.Errorf("error %v", err)
			}
			return
		}
		if diff := cmp.Diff(planText(all)+warningsText(all), planText(again)+warningsText(again)); diff != "" {
			t.Errorf("another plan the second time:\n%s", diff)
		}
		type work struct {
			stage string
			line  int
			op    string
		}
		have := map[work]bool{}
		for i, s := range all.Steps {
			have[work{s.Stage, s.Lines.First, s.Op}] = true
			for _, p := range s.Parents {
				if p < 0 || p >= i {
					t.Errorf("step %d stands on %v", i, s.Parents)
				}
			}
		}
		target, err := Compile(t.Context(), Inputs{File: file, Args: args})
		if err != nil {
			t.Fatalf("the target alone: %v", err)
		}
		for _, s := range target.Steps {
			if !have[work{s.Stage, s.Lines.First, s.Op}] {
				t.Errorf("the plan of all stages lacks line %d:\n%s", s.Lines.First, s.Op)
			}
		}
		if string(target.Image) != string(all.Image) {
			t.Errorf("image %s, with all stages %s", target.Image, all.Image)
		}
	})
}
