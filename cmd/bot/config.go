package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/checkout"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

type configCommand struct {
	Schema configSchemaCommand `cmd:"" help:"Print the JSON Schema of .github/hitrate.yml."`
	Check  configCheckCommand  `cmd:"" help:"Check a configuration file."`
	Show   configShowCommand   `cmd:"" help:"Show the configuration that is in effect, and where each key comes from."`
}

type configSchemaCommand struct{}

// Run prints the schema.
func (configSchemaCommand) Run(s *streams) error {
	schema, err := config.JSONSchema(rules.Schemas())
	if err != nil {
		return fmt.Errorf("make the JSON Schema: %w", err)
	}
	_, err = s.stdout.Write(schema)
	return err
}

type configCheckCommand struct {
	File string `arg:"" optional:"" help:"The file; by default .github/hitrate.yml of this checkout."`
}

// Run says what is wrong with a file and where.
func (c *configCheckCommand) Run(ctx context.Context, s *streams) error {
	file := c.File
	if file == "" {
		co, err := checkout.Open(ctx, ".")
		if err != nil {
			return err
		}
		defer func() { _ = co.Close() }()
		file = co.Dir + "/" + config.RepositoryPath
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return usageError("read the configuration: %w", err)
	}
	if _, err := config.Parse(file, data, rules.Schemas()); err != nil {
		return &codeError{exitUsage, err}
	}
	_, err = fmt.Fprintf(s.stdout, "%s: nothing wrong\n", file)
	return err
}

type configShowCommand struct {
	Organisation string `help:"The organisation's hitrate.yml to lay below the repository's." type:"path" placeholder:"FILE"`
	Dir          string `arg:"" optional:"" default:"." help:"A directory of the checkout."`
}

// Run prints the effective configuration as YAML with the origin of each key.
func (c *configShowCommand) Run(ctx context.Context, s *streams) error {
	co, err := checkout.Open(ctx, c.Dir)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	defer func() { _ = co.Close() }()
	var layers []*config.Layer
	for _, source := range []struct {
		file   string
		origin config.Origin
		must   bool
	}{
		{c.Organisation, config.OriginOrganisation, true},
		{co.Dir + "/" + config.RepositoryPath, config.OriginRepository, false},
	} {
		if source.file == "" {
			continue
		}
		data, err := os.ReadFile(source.file)
		if errors.Is(err, fs.ErrNotExist) && !source.must {
			continue
		}
		if err != nil {
			return usageError("read the configuration: %w", err)
		}
		layer, err := config.Parse(source.file, data, rules.Schemas())
		if err != nil {
			return &codeError{exitUsage, err}
		}
		layer.Origin = source.origin
		layers = append(layers, layer)
	}
	effective, origins := config.Merge(layers...)
	_, err = s.stdout.Write(config.Show(effective, origins))
	return err
}
