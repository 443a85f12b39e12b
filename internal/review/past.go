package review

import (
	"context"
	"slices"
	"time"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

const (
	// historyPatience is how long a review waits for the history, of the minute that it has in all.
	historyPatience = 25 * time.Second
	// maxEntries is the most entries of trees and changes of commits in a request, of some 200 bytes each in
	// JSON: package child hands over 128 MB.
	maxEntries = 400_000
)

// past adds to a request for the head what its builds are compared with: the merge base, and the history of
// the branch that the pull request goes to. It leaves out what cannot be had whole.
func (g *gatherer) past(ctx context.Context, request *analysis.Request) error {
	builds := func(e buildcontext.Entry) bool { return g.s.Config.MatchesDockerfile(e.Path) }
	if g.s.Truncated || !slices.ContainsFunc(request.Tree, builds) {
		return nil
	}
	commit, err := g.mergeBase(ctx)
	if err != nil {
		return err
	}
	base, err := g.tree(ctx, commit)
	if err != nil {
		return err
	}
	room := maxEntries - len(request.Tree)
	if !base.truncated && len(base.entries) <= room {
		request.Base = base.entries
		if request.Base == nil {
			request.Base = []buildcontext.Entry{} // an empty tree is one to compare with
		}
		room -= len(base.entries)
	}
	request.History = g.history(ctx, room)
	return ctx.Err()
}

// history asks for the commits to count, those that fit; nil where there are none.
func (g *gatherer) history(ctx context.Context, room int) *buildcontext.History {
	most := g.s.Config.History.Commits
	if most <= 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, historyPatience)
	defer cancel()
	h, err := g.host.History(limited, g.s.PullRequest.BaseRef, most)
	if err != nil {
		if ctx.Err() == nil {
			g.log.WarnContext(ctx, "no history", "owner", g.s.Ref.Owner, "repository", g.s.Ref.Name, "branch", g.s.PullRequest.BaseRef, "error", err)
		}
		return nil
	}
	return fitting(h, room)
}

// fitting is the newest part of a history that has room; nil where not even its tree has.
func fitting(h *buildcontext.History, room int) *buildcontext.History {
	room -= len(h.Tree)
	if room < 0 {
		return nil
	}
	kept := *h
	for n, c := range h.Commits {
		if room -= 2 * len(c.Changes); room < 0 {
			kept.Commits = h.Commits[:n]
			break
		}
	}
	return &kept
}

// isLarge says whether a request has so much of the past that handing it over takes longer than a round.
func isLarge(request analysis.Request) bool {
	return len(request.Base)+historySize(request.History) > 20_000
}

func historySize(h *buildcontext.History) int {
	if h == nil {
		return 0
	}
	return len(h.Tree)
}

// slimFirst asks f without the past and without proofs until nothing is needed: most of the texts of a
// report are known then, and the whole request is handed over once or twice.
func slimFirst(f analysis.Func) analysis.Func {
	known := false
	return func(ctx context.Context, request analysis.Request) (analysis.Report, error) {
		if !known {
			slim := request
			slim.Base, slim.History, slim.WithoutFixes = nil, nil, true
			report, err := f(ctx, slim)
			if err != nil || len(report.Needs) > 0 {
				return report, err
			}
			known = true
		}
		return f(ctx, request)
	}
}
