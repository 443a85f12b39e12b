// Package child runs the pure work of package analysis in a process of its own, with bounded memory
// and time: what a pull request can make BuildKit's frontend spend cannot be stopped in any other
// way, for it looks at no deadline.
//
// [Run] is the child's side and [Analyzer] the parent's. They speak JSON: an analysis.Request on
// standard input, an analysis.Report on standard output.
package child

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/hitrate-bot/hitrate/internal/analysis"
)

// Sizes of what passes between parent and child, in bytes of JSON.
const (
	maxRequest = 128 << 20
	maxReport  = 64 << 20
)

// Limits is what a child allows itself. The zero value limits nothing.
type Limits struct {
	Memory int64         // bytes
	CPU    time.Duration // of all threads together, whole seconds; it ends a child whose parent is gone
	Time   time.Duration // for the work, on the clock: what is left undone then is reported as such
}

// grace is how long before its parent kills it a child ends its work, so that what it has is not lost:
// for one operation of the frontend, which looks at no deadline, and for writing the report.
const grace = 8 * time.Second

// DefaultLimits are those of "hitrate compile".
func DefaultLimits() Limits {
	return Limits{Memory: 1 << 30, CPU: 5 * time.Minute, Time: DefaultTimeout - grace}
}

// Run is the child's side: it limits its own process, for good, reads one request, and writes the
// report that run gives. A child that runs out of memory does not return: the process ends.
func Run(ctx context.Context, limits Limits, stdin io.Reader, stdout io.Writer, run func(context.Context, analysis.Request) analysis.Report) error {
	if err := limits.apply(); err != nil {
		return err
	}
	var req analysis.Request
	in := &io.LimitedReader{R: stdin, N: maxRequest + 1}
	err := json.NewDecoder(in).Decode(&req)
	if in.N <= 0 {
		err = fmt.Errorf("more than %d bytes", maxRequest)
	}
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if limits.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limits.Time)
		defer cancel()
	}
	if err := json.NewEncoder(stdout).Encode(run(ctx, req)); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (l Limits) apply() error {
	if l.Memory > 0 {
		// The collector works harder before the hard limit ends the process.
		debug.SetMemoryLimit(l.Memory / 4 * 3)
	}
	if err := setLimits(l); err != nil {
		return fmt.Errorf("limit this process: %w", err)
	}
	return nil
}
