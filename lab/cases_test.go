package lab

import (
	"context"
	"maps"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// testCase is one change to one build. before and after are Dockerfiles; an empty after is before.
type testCase struct {
	name          string
	before, after string
	tree          Tree
	edit          Tree     // files written
	remove        []string // files taken away
	args, newArgs map[string]string
	target        string
	images        map[string]string // names of base images, and what is behind them
	newImages     map[string]string
	dockerfile    string // its path, where it is not Dockerfile
	context       string
	// want has a letter for each step: c for cached, r for rebuilt; for a maybe m and what the daemon
	// did.
	want string
}

func (c testCase) sides(t *testing.T) (before, after Side) {
	t.Helper()
	if c.dockerfile == "" {
		c.dockerfile = "Dockerfile"
	}
	if c.context == "" {
		c.context = "."
	}
	if c.after == "" {
		c.after = c.before
	}
	if c.newArgs == nil {
		c.newArgs = c.args
	}
	build := buildcontext.Build{Dockerfile: c.dockerfile, Context: c.context, Kind: buildcontext.Local, Target: c.target, Args: c.args}
	before = Side{Tree: maps.Clone(c.tree), Build: build, Images: c.digests(t, c.images)}
	if before.Tree == nil {
		before.Tree = Tree{}
	}
	before.Tree[c.dockerfile] = File{Data: c.before}
	build.Args = c.newArgs
	after = Side{Tree: maps.Clone(before.Tree), Build: build, Images: before.Images}
	if c.newImages != nil {
		after.Images = c.digests(t, c.newImages)
	}
	for _, p := range c.remove {
		delete(after.Tree, p)
	}
	maps.Copy(after.Tree, c.edit)
	after.Tree[c.dockerfile] = File{Data: c.after}
	return before, after
}

func (c testCase) digests(t *testing.T, names map[string]string) map[string]digest.Digest {
	t.Helper()
	out := map[string]digest.Digest{}
	for name, label := range map[string]string{"base": "base", "other": "other", "base:2": "2"} {
		if _, set := names[name]; !set {
			out[name] = image(t, label)
		}
	}
	for name, label := range names {
		out[name] = image(t, label)
	}
	return out
}

func image(t *testing.T, label string) digest.Digest {
	t.Helper()
	d, err := images.Add(label)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func text(s string) File { return File{Data: s} }

func TestCases(t *testing.T) {
	needDaemon(t)
	names := map[string]bool{}
	for _, c := range cases() {
		if names[c.name] {
			t.Fatalf("two cases %q", c.name)
		}
		names[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			before, after := c.sides(t)
			steps, err := Compare(context.Background(), daemon, images, before, after)
			if err != nil {
				t.Fatal(err)
			}
			bad := letters(steps) != c.want
			for _, s := range steps {
				bad = bad || s.Wrong()
			}
			for _, s := range steps {
				if bad {
					t.Error(s)
				} else {
					t.Log(s)
				}
			}
			if bad {
				t.Errorf("got %q, want %q", letters(steps), c.want)
			}
		})
	}
}
