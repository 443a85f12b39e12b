package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hitrate-bot/hitrate/internal/review"
)

const (
	envKillPath = "HITRATE_TEST_KILL_DATABASE"
	envKillStep = "HITRATE_TEST_KILL_STEP"
)

// The child of TestKill: it adds a want, works, adds another meanwhile, and kills itself at a step.
func TestKillChild(t *testing.T) {
	path, at := os.Getenv(envKillPath), os.Getenv(envKillStep)
	if path == "" {
		t.Skip("runs as the child of TestKill")
	}
	die := func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	var q *Queue
	var works atomic.Int32
	q = open(t, path, nil, func(ctx context.Context, r review.Ref) (review.Outcome, error) {
		if works.Add(1) == 1 {
			if err := q.Add(ctx, Want{Ref: r}); err != nil {
				t.Error(err)
			}
		}
		return review.Outcome{Head: "abc"}, nil
	})
	var mu sync.Mutex
	reached := map[string]int{}
	q.reach = func(step string) {
		mu.Lock()
		defer mu.Unlock()
		reached[step]++
		if fmt.Sprintf("%s %d", step, reached[step]) == at {
			die()
		}
	}
	if at == "opened" {
		die()
	}
	add(t, q, Want{Ref: ref(1)})
	start(t, q)
	idle(t, q)
	stop(t, q) // a row is settled before the worker gets to its last step
	t.Fatalf("survived step %q; reached %v", at, reached)
}

// Whenever the process is killed, what a want asked for is worked on by the next process, and nothing
// that was settled is worked on again.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for _, test := range []struct {
		step   string
		wanted int64 // as committed when the process dies
		works  int32 // of the next process
	}{
		{"opened", 0, 0},
		{"added 1", 1, 1},
		{"claimed 1", 1, 1},
		{"added 2", 2, 1},
		{"worked 1", 2, 1},
		{"finishing 1", 2, 1}, // the transaction is not committed: both are owed, one look settles them
		{"finished 1", 2, 1},
		{"claimed 2", 2, 1},
		{"worked 2", 2, 1},
		{"finishing 2", 2, 1},
		{"finished 2", 2, 0},
	} {
		t.Run(strings.ReplaceAll(test.step, " ", "-"), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "q.db")
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKillChild$", "-test.timeout=60s")
			child.Env = append(os.Environ(), envKillPath+"="+path, envKillStep+"="+test.step)
			output, err := child.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the child ended with %v:\n%s", err, output)
			}
			var works atomic.Int32
			q := open(t, path, nil, func(_ context.Context, r review.Ref) (review.Outcome, error) {
				works.Add(1)
				if r != ref(1) {
					t.Errorf("work on %+v", r)
				}
				return review.Outcome{Head: "abc"}, nil
			})
			defer stop(t, q)
			start(t, q)
			idle(t, q)
			if test.works == 0 {
				time.Sleep(100 * time.Millisecond) // a job left behind could wake a worker by mistake
			}
			if n := works.Load(); n != test.works {
				t.Errorf("%d works after the restart, want %d", n, test.works)
			}
			if test.wanted > 0 {
				if got := rowOf(t, q, ref(1), time.Time{}); got.Wanted != test.wanted || got.Done != test.wanted {
					t.Errorf("row %+v, want %d settled", got, test.wanted)
				}
			}
		})
	}
}
