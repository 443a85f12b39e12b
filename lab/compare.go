package lab

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Side is all that one build is made of.
type Side struct {
	Tree   Tree
	Build  buildcontext.Build
	Images map[string]digest.Digest
}

// Keys are the model's.
func (s Side) Keys(ctx context.Context) (*buildcache.Plan, []buildcache.Key, error) {
	file, err := dockerfile.Parse(source.New(s.Build.Dockerfile, []byte(s.Tree[s.Build.Dockerfile].Data)))
	if err != nil {
		return nil, nil, err
	}
	plan, err := buildcache.Compile(ctx, buildcache.Inputs{File: file, Target: s.Build.Target, Args: s.Build.Args, Contexts: s.Build.Contexts})
	if err != nil {
		return nil, nil, err
	}
	opened, err := buildcontext.Open(s.Tree.git(), s.Build, s.Tree.read)
	if err != nil {
		return nil, nil, err
	}
	keys, err := plan.Keys(opened)
	return plan, keys, err
}

// Run builds the side with the daemon in a new directory.
func (s Side) Run(ctx context.Context, d *Daemon, images *Images) ([]Observed, error) {
	dir, b, err := s.write()
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return d.Run(ctx, images, b)
}

// write makes a new directory of the side's files, and the build of it.
func (s Side) write() (dir string, b Build, err error) {
	if dir, err = os.MkdirTemp("", "hitrate-lab-tree-"); err != nil {
		return "", b, err
	}
	if err := s.Tree.Write(dir); err != nil {
		_ = os.RemoveAll(dir)
		return "", b, err
	}
	b = Build{
		Context:    filepath.Join(dir, s.Build.Context),
		Dockerfile: filepath.Join(dir, filepath.Dir(s.Build.Dockerfile)),
		File:       filepath.Base(s.Build.Dockerfile),
		Target:     s.Build.Target,
		Args:       s.Build.Args,
		Images:     maps.Clone(s.Images),
		Contexts:   map[string]string{},
	}
	for name, value := range s.Build.Contexts {
		if image, found := strings.CutPrefix(value, "docker-image://"); found {
			b.Images[name] = s.Images[image]
		} else {
			b.Contexts[name] = filepath.Join(dir, value)
		}
	}
	return dir, b, nil
}

// Step is one step of the second build, predicted and observed.
type Step struct {
	Instruction string
	Predicted   buildcache.State
	Cause       string
	Observed    buildcache.State // Cached or Rebuilt
}

// Wrong says that the prediction was decided, and not what happened.
func (s Step) Wrong() bool { return s.Predicted != buildcache.Maybe && s.Predicted != s.Observed }

func (s Step) String() string {
	mark := " "
	if s.Wrong() {
		mark = "!"
	}
	return fmt.Sprintf("%s predicted %-8s was %-8s %s  (%s)", mark, s.Predicted, s.Observed, s.Instruction, s.Cause)
}

// Compare builds before into an empty cache and then after, and sets the prediction against what the
// daemon did. Steps that only one of both knows are an error.
func Compare(ctx context.Context, d *Daemon, images *Images, before, after Side) ([]Step, error) {
	return compare(ctx, d, images, before, after, func() {})
}

// compare lets something else change between the builds.
func compare(ctx context.Context, d *Daemon, images *Images, before, after Side, between func()) ([]Step, error) {
	if err := d.Empty(ctx); err != nil {
		return nil, err
	}
	var seen buildcache.Seen
	_, keys, err := before.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("model, before: %w", err)
	}
	seen.Add(keys)
	if _, err := before.Run(ctx, d, images); err != nil {
		return nil, fmt.Errorf("daemon, before: %w", err)
	}
	between()
	return After(ctx, d, images, after, &seen)
}

// After builds one more side with a daemon that has built what seen holds, and adds it to seen.
func After(ctx context.Context, d *Daemon, images *Images, after Side, seen *buildcache.Seen) ([]Step, error) {
	plan, keys, err := after.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("model, after: %w", err)
	}
	predictions := buildcache.Predict(keys, seen)
	seen.Add(keys)
	observed, err := after.Run(ctx, d, images)
	if err != nil {
		return nil, fmt.Errorf("daemon, after: %w", err)
	}
	return pair(plan, predictions, observed)
}

// pair finds for each predicted step the observed one on the same line; of several on one line
// (ONBUILD, which has the line of FROM) the one with the words of the instruction.
func pair(plan *buildcache.Plan, predictions []buildcache.Prediction, observed []Observed) ([]Step, error) {
	var steps []Step
	used := make([]bool, len(observed))
	for i, s := range plan.Steps {
		step := Step{Instruction: s.Instruction, Predicted: predictions[i].State, Cause: predictions[i].Cause}
		if s.OnBuild {
			continue
		}
		for j, o := range observed {
			if !slices.ContainsFunc(o.Lines, func(l int) bool { return s.Lines.First <= l && l <= s.Lines.Last }) {
				continue
			}
			used[j] = true
			state := buildcache.Rebuilt
			if o.Cached {
				state = buildcache.Cached
			}
			if step.Observed != "" && step.Observed != state {
				return nil, fmt.Errorf("line %d is two steps of different states", s.Lines.First)
			}
			step.Observed = state
		}
		if step.Observed == "" {
			return nil, fmt.Errorf("predicted, but not built: line %d, %s", s.Lines.First, s.Instruction)
		}
		steps = append(steps, step)
	}
	for j, o := range observed {
		onBuild := slices.ContainsFunc(plan.Steps, func(s buildcache.Step) bool {
			return s.OnBuild && slices.Contains(o.Lines, s.Lines.Last)
		})
		if !used[j] && !onBuild {
			return nil, fmt.Errorf("built, but not predicted: lines %v, %s", o.Lines, o.Name)
		}
	}
	return steps, nil
}

// letters is a short form of what was predicted: c, r, or for a maybe m and what it turned out to be.
func letters(steps []Step) string {
	var out []string
	for _, s := range steps {
		letter := string(s.Predicted)[:1]
		if s.Predicted == buildcache.Maybe {
			letter += string(s.Observed)[:1]
		}
		out = append(out, letter)
	}
	return strings.Join(out, " ")
}
