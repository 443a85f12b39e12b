package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/term"
)

func terminal(descriptor int) bool { return term.IsTerminal(descriptor) }

// colour decides on colour for a stream: --color, NO_COLOR (https://no-color.org), a terminal.
func colour(choice string, s *streams) bool {
	switch choice {
	case "always":
		return true
	case "never":
		return false
	}
	return s.getenv("NO_COLOR") == "" && s.getenv("TERM") != "dumb" && isTerminal(s.stdout)
}

// progress says on a terminal what takes long, on one line that goes away. It may be used from several
// goroutines.
type progress struct {
	mu    sync.Mutex
	out   io.Writer // nil: say nothing
	begun time.Time
	shown bool
}

// quiet is how long work may take before a word of progress.
const quiet = time.Second

func newProgress(s *streams) *progress {
	p := &progress{begun: time.Now()}
	if isTerminal(s.stderr) {
		p.out = s.stderr
	}
	return p
}

func (p *progress) say(format string, args ...any) {
	if p.out == nil || time.Since(p.begun) < quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = true
	_, _ = fmt.Fprintf(p.out, "\r\x1b[2K"+format, args...)
}

// done takes the line away.
func (p *progress) done() {
	if p.shown {
		_, _ = fmt.Fprint(p.out, "\r\x1b[2K")
		p.shown = false
	}
}
