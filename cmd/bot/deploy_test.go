package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"

	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// root is the repository's root, from this package.
var root = filepath.Join("..", "..")

// The container image cannot be built without a builder, but it compiles, and hitrate has nothing to
// say about it.
func TestOwnDockerfile(t *testing.T) {
	const path = "deploy/Dockerfile"
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	file, err := dockerfile.Parse(source.New(path, data))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := buildcache.Compile(t.Context(), buildcache.Inputs{File: file, AllStages: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Warnings) > 0 {
		t.Errorf("BuildKit's checks: %v", plan.Warnings)
	}
	t.Chdir(root)
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), []string{"check", "--fail-on", "info", path}, os.Getenv, nil, &stdout, &stderr)
	if code != exitNothing {
		t.Errorf("exit code %d\n%s%s", code, &stdout, &stderr)
	}
}

// The compose file validates by the Compose Specification's own loader, and names files that exist.
func TestComposeFile(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "deploy", "compose.yaml")}, cli.WithEnv([]string{"HITRATE_APP_ID=1"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	service, err := project.GetService("hitrate")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(service.Build.Context, service.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
}

// Without the App's id the compose file says what is missing.
func TestComposeFileWithoutAppID(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "deploy", "compose.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := options.LoadProject(t.Context()); err == nil {
		t.Error("loaded without HITRATE_APP_ID")
	}
}
