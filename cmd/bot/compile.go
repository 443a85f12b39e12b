package main

import (
	"context"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/child"
)

type compileCommand struct{}

// Run is the child's side of the server's child.Analyzer.
func (compileCommand) Run(ctx context.Context, s *streams) error {
	return child.Run(ctx, child.DefaultLimits(), s.stdin, s.stdout, analysis.Run)
}
