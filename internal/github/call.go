package github

import (
	"context"
	"time"

	"github.com/google/go-github/v60/github"
)

// pauses before a read is tried again.
var (
	missingPauses = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}
	unwellPauses  = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}
)

// request sends one request through a client of go-github.
type request func(ctx context.Context, client *github.Client) error

// call sends a request once, unless the installation is limited, and once more with a new token
// where the one it had is no longer good.
func (a *App) call(ctx context.Context, s scope, f request) *failure {
	gate := &a.installation(s.installation).gate
	for fresh := false; ; fresh = true {
		now := a.options.Now()
		if until, ok := gate.open(now); !ok {
			return &failure{kind: limited, unsent: true, until: until, message: "a limit earlier, which still holds"}
		}
		client, err := a.client(s)
		if err != nil {
			return &failure{kind: other, unsent: true, message: err.Error()}
		}
		if err = f(ctx, client); err == nil {
			return nil
		}
		now = a.options.Now()
		failed := classify(err, now)
		if ctx.Err() != nil {
			return &failure{kind: cancelled, cause: ctx.Err()}
		}
		switch failed.kind {
		case limited:
			failed.until = gate.shut(failed.until, now)
		case notBelieved:
			a.forget(s)
			if !fresh {
				continue
			}
		}
		return failed
	}
}

// try reads, again where that may help. lag says that a 404 may be one.
func (a *App) try(ctx context.Context, s scope, lag bool, f request) *failure {
	missings, unwells := missingPauses, unwellPauses
	if !lag {
		missings = nil
	}
	for {
		failed := a.call(ctx, s, f)
		if failed == nil {
			return nil
		}
		var pause time.Duration
		switch {
		case failed.kind == missing && len(missings) > 0:
			pause, missings = missings[0], missings[1:]
		case failed.kind == unwell && failed.until.IsZero() && len(unwells) > 0:
			pause, unwells = unwells[0], unwells[1:]
		default:
			return failed
		}
		a.log.DebugContext(ctx, "try again", "after", pause.String(), "reason", failed.message)
		if err := a.options.Sleep(ctx, pause); err != nil {
			return &failure{kind: cancelled, cause: err}
		}
	}
}

// change writes, in the pace of the installation, once.
func (a *App) change(ctx context.Context, s scope, f request) (failed *failure) {
	i := a.installation(s.installation)
	err := i.writes.do(ctx, a.options.Now, a.options.Sleep, func() { failed = a.call(ctx, s, f) })
	if err != nil {
		return &failure{kind: cancelled, cause: err}
	}
	if failed == nil {
		i.gate.passed()
	}
	return failed
}
