package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be hitrate too: the server starts children of its own program, and
// scripts run its commands.
func TestMain(m *testing.M) {
	program := func() {
		os.Exit(run(context.Background(), os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == "compile" {
		program()
	}
	testscript.Main(m, map[string]func(){"hitrate": program})
}
