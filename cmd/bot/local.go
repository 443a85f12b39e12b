package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/checkout"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

// inProcess is analysis.Run as an analysis.Func: local commands look at files of their own user and
// need no process of their own for it.
func inProcess(ctx context.Context, req analysis.Request) (analysis.Report, error) {
	return analysis.Run(ctx, req), ctx.Err()
}

// localConfig reads the configuration of a tree: the command line goes by what the tree holds, and
// a broken file ends it with what is wrong and where.
func localConfig(ctx context.Context, c *checkout.Checkout, tree []buildcontext.Entry) (config.Repository, error) {
	layer, err := configLayer(ctx, c, tree)
	if err != nil {
		return config.Repository{}, err
	}
	return config.Effective(layer), nil
}

// configLayer is nil where the tree has no configuration.
func configLayer(ctx context.Context, c *checkout.Checkout, tree []buildcontext.Entry) (*config.Layer, error) {
	entry, ok := buildcontext.NewTree(tree).Lookup(config.RepositoryPath)
	if !ok {
		return nil, nil
	}
	data, err := c.Read(ctx, entry)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	layer, err := config.Parse(config.RepositoryPath, data, rules.Schemas())
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	return layer, nil
}
