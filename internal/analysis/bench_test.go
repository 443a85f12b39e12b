//go:build unix

package analysis_test

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// BenchmarkFiftyLines is every rule with its proofs on a Dockerfile of fifty lines with six findings and
// three suggestions, of which all seven subsets are tried, in a repository of a thousand files: what
// "hitrate check" does between listing the tree and printing.
func BenchmarkFiftyLines(b *testing.B) {
	archive, err := txtar.ParseFile("testdata/fifty-lines.txtar")
	if err != nil {
		b.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range archive.Files {
		if f.Name != "report" {
			files[f.Name] = string(f.Data)
		}
	}
	for i := range 1000 {
		files[fmt.Sprintf("app/part%d/module%d.py", i%40, i)] = fmt.Sprintf("module = %d\n", i)
	}
	repo := newRepository(files)
	local := analysis.Local{Workers: analysis.NewWorkers(runtime.GOMAXPROCS(0)), Read: func(_ context.Context, e buildcontext.Entry) ([]byte, error) { return repo.texts[e.Object], nil }}
	req := analysis.Request{Config: config.Defaults(), Tree: repo.tree}
	for _, c := range []struct {
		name          string
		withoutFixes  bool
		want, suggest int
	}{{"findings", true, 6, 0}, {"proofs", false, 6, 3}} {
		b.Run(c.name, func(b *testing.B) {
			req.WithoutFixes = c.withoutFixes
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				report, err := local.Run(b.Context(), req)
				if err != nil || len(report.Findings) != c.want || len(report.Suggestions) != c.suggest {
					b.Fatalf("%d findings and %d suggestions, want %d and %d (error: %v)", len(report.Findings), len(report.Suggestions), c.want, c.suggest, err)
				}
			}
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// processorTime is what this process has taken: other than the clock it tells little of what else runs.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
