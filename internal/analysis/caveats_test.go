package analysis

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// The object id of a file is its text.
func TestCaveatsOfPlans(t *testing.T) {
	tree := func(files ...string) []buildcontext.Entry {
		var entries []buildcontext.Entry
		for i := 0; i < len(files); i += 2 {
			e := buildcontext.Entry{Path: files[i], Mode: buildcontext.ModeFile, Object: files[i+1]}
			if e.Object == "submodule" {
				e.Mode = buildcontext.ModeSubmodule
			}
			entries = append(entries, e)
		}
		return entries
	}
	entries := tree(
		"app/Dockerfile", "FROM python:3.12\nCOPY vendor /vendor\nCOPY models/*.bin /models/\nCOPY requirements.txt /\nCOPY dist/app /app\n",
		"app/vendor", "submodule", "app/models/a.bin", "pointer", "app/requirements.txt", "a==1\n", "app/dist/app", "x", "other.bin", "pointer",
		".gitattributes", "*.bin filter=lfs\n",
		".github/workflows/ci.yml", `on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - {uses: actions/download-artifact@v4, with: {path: app/dist}}
      - run: date > app/unused
      - {uses: docker/build-push-action@v6, with: {context: app}}
`)
	req := Request{Tree: entries, Base: entries, Dockerfiles: []string{"app/Dockerfile"}, WithoutRules: true, WithoutFixes: true}
	report, err := Complete(t.Context(), func(ctx context.Context, r Request) (Report, error) { return Run(ctx, r), nil }, req,
		func(_ context.Context, e buildcontext.Entry) ([]byte, error) { return []byte(e.Object), nil })
	if err != nil || len(report.Dockerfiles) != 1 || len(report.Dockerfiles[0].Plans) != 1 {
		t.Fatalf("%v, %+v", err, report)
	}
	got := ""
	for _, c := range report.Dockerfiles[0].Plans[0].Caveats {
		got += fmt.Sprintln(c.Kind, c.Paths, c.Steps)
	}
	want := "lfs [app/models/a.bin] [1]\nmade [app/dist] [3]\nsubmodule [app/vendor] [0]\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
