package analysis

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// Func is Run, here or in a child process.
type Func func(ctx context.Context, req Request) (Report, error)

const (
	// maxRounds is how often more may be needed: includes of requirements files are found one after
	// the other.
	maxRounds = 24
	// parallelReads is how many texts are read at the same time.
	parallelReads = 4
)

// Complete runs f until nothing is needed any more: read gives the text of an entry, or an error
// whose text is the reason that it is not had. It may be called from several goroutines, and once for
// each object. Complete gives up with an error after a bounded number of rounds.
func Complete(ctx context.Context, f Func, req Request, read func(ctx context.Context, e buildcontext.Entry) ([]byte, error)) (Report, error) {
	req.Blobs, req.Unreadable = maps.Clone(req.Blobs), maps.Clone(req.Unreadable)
	if req.Blobs == nil {
		req.Blobs = map[string][]byte{}
	}
	if req.Unreadable == nil {
		req.Unreadable = map[string]string{}
	}
	entries := map[string]buildcontext.Entry{}
	for _, tree := range [][]buildcontext.Entry{req.Tree, req.Base} {
		for _, e := range tree {
			if _, known := entries[e.Object]; !known {
				entries[e.Object] = e
			}
		}
	}
	for range maxRounds {
		report, err := f(ctx, req)
		if err != nil {
			return Report{}, err
		}
		if err := ctx.Err(); err != nil {
			return Report{}, err
		}
		if len(report.Needs) == 0 {
			return report, nil
		}
		if err := fetch(ctx, &req, report.Needs, entries, read); err != nil {
			return Report{}, err
		}
	}
	return Report{}, fmt.Errorf("read what the Dockerfiles need: more was needed after %d rounds", maxRounds)
}

// fetch reads objects into a request.
func fetch(ctx context.Context, req *Request, objects []string, entries map[string]buildcontext.Entry, read func(ctx context.Context, e buildcontext.Entry) ([]byte, error)) error {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(parallelReads)
	for _, object := range objects {
		_, had := req.Blobs[object]
		_, lost := req.Unreadable[object]
		if _, known := entries[object]; had || lost || !known {
			return fmt.Errorf("read object %q: it was read already, or the tree has none", object)
		}
	}
	for _, object := range objects {
		entry := entries[object]
		group.Go(func() error {
			data, err := read(ctx, entry)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err == nil {
				err = unfit(data)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				req.Unreadable[object] = err.Error()
			} else {
				req.Blobs[object] = data
			}
			return nil
		})
	}
	return group.Wait()
}
