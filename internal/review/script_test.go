package review_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/review"
	"github.com/hitrate-bot/hitrate/internal/review/reviewtest"
)

// TestScripts plays the life of pull requests. Each archive in testdata has the files of the base
// branch (base/…), those of the pull request's first head on top (head/…), and a script:
//
//	review             review the head
//	push DIR           commit the files of DIR/… on the head (an empty file removes)
//	push-base DIR      commit them on the base branch
//	past N PATH        that many commits on the base branch, each of which changes the file
//	accept PATH LINE…  commit the suggestions whose last lines are these, as one batch
//	reply PATH LINE    answer the comment there
//	remove PATH LINE   delete the comment there, as a maintainer would
//	draft, ready, close, fork, truncated
//	organisation FILE  the organisation's configuration is FILE
//	plans FILE         what is counted and predicted of each Dockerfile from here on: JSON, by path
//	show NAME          what a reader sees is the archive's file NAME
//	silent             nothing of ours stands on the pull request
//	reviews N          so many reviews were created in all
//
// UPDATE=1 go test ./internal/review writes what is shown.
//
// The archives in testdata/whole are played with package analysis itself.
func TestScripts(t *testing.T) {
	playAll(t, "testdata/*.txtar", analyze)
	playAll(t, "testdata/whole/*.txtar", func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		return analysis.Run(ctx, req), nil
	})
}

func playAll(t *testing.T, glob string, f analysis.Func) {
	names, err := filepath.Glob(glob)
	if err != nil || len(names) == 0 {
		t.Fatalf("find archives: %v, %d found", err, len(names))
	}
	for _, name := range names {
		t.Run(strings.TrimPrefix(strings.TrimSuffix(name, ".txtar"), "testdata/"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			play(t, archive, f)
			if os.Getenv("UPDATE") == "1" {
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func reviewer(f analysis.Func) *review.Reviewer {
	return &review.Reviewer{
		Analyze: f, Marks: review.NewMarks([]byte("a webhook secret")), DocsURL: "https://docs.example/rules",
		Now:  func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) },
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

func files(archive *txtar.Archive, dir string) reviewtest.Files {
	all := reviewtest.Files{}
	for _, f := range archive.Files {
		if path, ok := strings.CutPrefix(f.Name, dir+"/"); ok {
			all[path] = string(f.Data)
		}
	}
	return all
}

func section(archive *txtar.Archive, name string) *txtar.File {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			return &archive.Files[i]
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: name})
	return &archive.Files[len(archive.Files)-1]
}

func play(t *testing.T, archive *txtar.Archive, f analysis.Func) {
	var plans map[string][]analysis.Plan
	edits := 0
	base := files(archive, "base")
	host := reviewtest.New(base, base)
	head := reviewtest.Files{}
	for path, text := range files(archive, "head") {
		head[path] = text
	}
	host.Push(head)
	bot := reviewer(func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		report, err := f(ctx, req)
		for i := range report.Dockerfiles {
			if p, ok := plans[report.Dockerfiles[i].Path]; ok && !req.WithoutFixes {
				report.Dockerfiles[i].Plans = p
			}
		}
		return report, err
	})
	comment := func(path, line string) int64 {
		n, err := strconv.Atoi(line)
		if err != nil {
			t.Fatal(err)
		}
		id := host.CommentOn(path, n)
		if id == 0 {
			t.Fatalf("no comment on line %s of %s in:\n%s", line, path, host.Show())
		}
		return id
	}
	lines := bufio.NewScanner(strings.NewReader(string(section(archive, "script").Data)))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		switch args := words[1:]; words[0] {
		case "review":
			if _, err := bot.Review(t.Context(), host, host.Ref()); err != nil {
				t.Fatalf("review: %v", err)
			}
		case "push":
			host.Push(files(archive, args[0]))
		case "push-base":
			host.PushBase(files(archive, args[0]))
		case "past":
			n, err := strconv.Atoi(args[0])
			if err != nil {
				t.Fatal(err)
			}
			for range n {
				edits++
				host.PushBase(reviewtest.Files{args[1]: fmt.Sprintf("# edit %d\n%s", edits, base[args[1]])})
			}
		case "accept":
			var ids []int64
			for _, line := range args[1:] {
				ids = append(ids, comment(args[0], line))
			}
			if err := host.Accept(ids...); err != nil {
				t.Fatalf("accept: %v", err)
			}
		case "reply":
			host.Reply(comment(args[0], args[1]), "Are you sure?")
		case "remove":
			host.Remove(comment(args[0], args[1]))
		case "plans":
			plans = nil
			if err := json.Unmarshal(section(archive, args[0]).Data, &plans); err != nil {
				t.Fatalf("read plans: %v", err)
			}
		case "draft", "ready":
			host.Pull.Draft = words[0] == "draft"
		case "close":
			host.Pull.Open = false
		case "fork":
			host.Pull.HeadRef = ""
		case "truncated":
			host.Truncated = true
		case "organisation":
			host.Organisation = reviewtest.Files{".github/hitrate.yml": string(section(archive, args[0]).Data)}
		case "silent":
			if all := host.Everything(); len(all) > 0 {
				t.Errorf("not silent:\n%s", host.Show())
			}
		case "reviews":
			if got := strconv.Itoa(host.ReviewCount()); got != args[0] {
				t.Errorf("%s reviews, want %s", got, args[0])
			}
		case "show":
			want, got := section(archive, args[0]), host.Show()
			if os.Getenv("UPDATE") == "1" {
				want.Data = []byte(got)
			} else if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("%s (-want +got; UPDATE=1 go test ./internal/review accepts it):\n%s", args[0], diff)
			}
		default:
			t.Fatalf("unknown command %q", words[0])
		}
	}
	if err := errors.Join(lines.Err()); err != nil {
		t.Fatal(err)
	}
}
