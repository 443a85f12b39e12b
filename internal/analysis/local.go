package analysis

import (
	"context"
	"sync"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// Workers bounds how many Dockerfiles are looked at at the same time, over all that share it. nil: one.
type Workers chan struct{}

// NewWorkers makes n of them.
func NewWorkers(n int) Workers { return make(Workers, max(n, 1)) }

// each calls f with 0 to n-1 and returns when all calls have.
func (w Workers) each(n int, f func(i int)) {
	if w == nil || n == 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var group sync.WaitGroup
	for i := range n {
		w <- struct{}{}
		group.Go(func() {
			defer func() { <-w }()
			f(i)
		})
	}
	group.Wait()
}

// Local looks at trees whose texts are at hand: it reads them when they are needed, so that Run does not
// have to begin anew for what it could not know before. It gives what Complete gives.
type Local struct {
	// Read gives the text of an entry, or an error whose text is the reason that it is not had. It is
	// called once for each file, from one goroutine at a time for each request.
	Read    func(ctx context.Context, e buildcontext.Entry) ([]byte, error)
	Workers Workers
	// Looked, where not nil, is called when a Dockerfile has been looked at; from several goroutines.
	Looked func()
}

// Run looks at the tree of a request.
func (l Local) Run(ctx context.Context, req Request) (Report, error) {
	a := newRun(req, req.Tree)
	a.workers, a.looked = l.Workers, l.Looked
	a.fetch = func(e buildcontext.Entry) ([]byte, error) { return l.Read(ctx, e) }
	report := a.do(ctx)
	return report, ctx.Err()
}
