package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/child"
	"github.com/hitrate-bot/hitrate/internal/github"
)

// docsURL is where the rules' pages are.
const docsURL = "https://github.com/hitrate-bot/hitrate/blob/main/docs/rules"

// serveCommand has a flag for each of the operator's settings that is no secret. A flag wins over
// its variable; secrets come from the environment or from mounted files only.
type serveCommand struct {
	AppID       string `help:"The App's id ($HITRATE_APP_ID)." placeholder:"ID"`
	DatabaseURL string `help:"Where the queue is kept ($HITRATE_DATABASE_URL, sqlite://hitrate.db)." placeholder:"URL"`
	Listen      string `help:"Address to listen on ($HITRATE_LISTEN, :8080)." placeholder:"HOST:PORT"`
	Workers     string `help:"Pull requests reviewed at a time ($HITRATE_WORKERS)." placeholder:"N"`
	CacheDir    string `help:"Directory for what can be had again ($HITRATE_CACHE_DIR)." placeholder:"DIR"`
	LogLevel    string `help:"debug, info, warn or error ($HITRATE_LOG_LEVEL)." placeholder:"LEVEL"`
	ServerURL   string `help:"GitHub's pages ($GITHUB_SERVER_URL)." placeholder:"URL"`
	APIURL      string `help:"GitHub's REST API ($GITHUB_API_URL)." name:"api-url" placeholder:"URL"`
	GraphQLURL  string `help:"GitHub's GraphQL API ($GITHUB_GRAPHQL_URL)." name:"graphql-url" placeholder:"URL"`
}

func (c *serveCommand) getenv(getenv func(string) string) func(string) string {
	flags := map[string]string{
		config.EnvAppID: c.AppID, config.EnvDatabaseURL: c.DatabaseURL, config.EnvListen: c.Listen,
		config.EnvWorkers: c.Workers, config.EnvCacheDir: c.CacheDir, config.EnvLogLevel: c.LogLevel,
		config.EnvServerURL: c.ServerURL, config.EnvAPIURL: c.APIURL, config.EnvGraphQLURL: c.GraphQLURL,
	}
	return func(name string) string {
		if v := flags[name]; v != "" {
			return v
		}
		return getenv(name)
	}
}

// Run serves until it is told to stop.
func (c *serveCommand) Run(ctx context.Context, s *streams) error {
	operator, err := config.OperatorFromEnv(c.getenv(s.getenv), os.ReadFile)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	log := slog.New(slog.NewJSONHandler(s.stderr, &slog.HandlerOptions{Level: operator.Level()}))
	analyzer, err := newAnalyzer(log)
	if err != nil {
		return err
	}
	return serve(ctx, serverOptions{
		operator: operator, analyze: analyzer.Analyze, docsURL: docsURL,
		quiet: pushQuiet, mutationGap: github.DefaultMutationGap, log: log,
	})
}

// newAnalyzer runs the pure work in children of this very program.
func newAnalyzer(log *slog.Logger) (*child.Analyzer, error) {
	own, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the own program, to start children of it: %w", err)
	}
	return &child.Analyzer{Executable: own, Args: []string{"compile"}, Log: log}, nil
}

// itoa is a number as a setting.
func itoa(n int64) string { return strconv.FormatInt(n, 10) }
