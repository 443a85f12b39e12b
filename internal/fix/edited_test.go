package fix_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/fix"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

// TestEdited follows each instruction through suggestions, and takes one of them back.
func TestEdited(t *testing.T) {
	const text = "FROM debian:12\nRUN apt-get update\nRUN apt-get install -y curl\n" +
		"FROM python:3.12\nCOPY . /app\nWORKDIR /app\nRUN pip install --no-cache-dir -r requirements.txt\nCOPY --from=0 /usr/bin/curl /\n"
	in, ok := inputOf(t, []byte(text), repository)
	if !ok {
		t.Fatal("the Dockerfile does not parse")
	}
	r := fix.Prove(t.Context(), in, rules.Run(in))
	if r.OfDockerfile() != 2 {
		t.Fatalf("suggestions: %+v", r)
	}
	const (
		update  = "2: gone\n3: RUN apt-get update && apt-get install -y curl\n"
		install = "5: COPY . /app\n6: WORKDIR /app\n7: RUN pip install --no-cache-dir -r requirements.txt\n8: COPY --from=0 /usr/bin/curl /\n"
	)
	if diff := cmp.Diff(update+install, became(t, in.File, &r, 0, 1)); diff != "" {
		t.Errorf("both, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff("2: RUN apt-get update\n3: RUN apt-get install -y curl\n"+install, became(t, in.File, &r, 1)); diff != "" {
		t.Errorf("the second, -want +got:\n%s", diff)
	}

	settled := r.Suggestions[0].Findings
	r.Withhold(0, rules.RunsMore)
	if r.OfDockerfile() != 1 || r.Suggestions[0].Lines.First != 5 {
		t.Errorf("left: %+v", r.Suggestions)
	}
	for _, f := range settled {
		if r.Withheld[f] != rules.RunsMore {
			t.Errorf("finding %d: withheld %q", f, r.Withheld[f])
		}
	}
	if diff := cmp.Diff("2: RUN apt-get update\n3: RUN apt-get install -y curl\n"+install, became(t, in.File, &r, 0)); diff != "" {
		t.Errorf("what is left, -want +got:\n%s", diff)
	}
}

// became lists what the instructions of the original are in the edited file.
func became(t *testing.T, f *dockerfile.File, r *fix.Result, which ...int) string {
	t.Helper()
	edited, err := r.Edited(which...)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, i := range f.Instructions {
		if i.Keyword == "FROM" {
			continue
		}
		now := "gone"
		if is := edited.Becomes[i]; is != nil {
			now = strings.Join(strings.Fields(strings.ReplaceAll(edited.File.Source.Text(is.Span), "\\\n", " ")), " ")
		}
		_, _ = fmt.Fprintf(&b, "%d: %s\n", f.Source.LineFromOffset(i.Span.Start), now)
	}
	return b.String()
}
