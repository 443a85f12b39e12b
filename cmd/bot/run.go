package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// The exit codes of every command.
const (
	exitNothing  = 0 // nothing found at or above --fail-on; the command did its work
	exitFindings = 1
	exitUsage    = 2 // a usage or configuration error: the input has to change
	exitFailure  = 3 // something else went wrong
)

// version is set by the linker for a release; else it is the module's version.
var version = ""

// streams is what a command reads and writes.
type streams struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// commandLine is the whole command line; each field's type is one command.
type commandLine struct {
	Serve   serveCommand   `cmd:"" help:"Run the GitHub App: webhook, workers, pages."`
	Demo    demoCommand    `cmd:"" help:"Show the whole main job on this machine: an embedded GitHub, a signed webhook, the review printed and shown on a page."`
	Review  reviewCommand  `cmd:"" help:"Print the review that would be posted for a local git checkout."`
	Check   checkCommand   `cmd:"" help:"Find, show and fix what costs rebuilds in the files of a checkout."`
	Plan    planCommand    `cmd:"" help:"Print which steps of a build run again after a change, and why."`
	Rules   rulesCommand   `cmd:"" help:"List the rules, or explain one."`
	Config  configCommand  `cmd:"" help:"Print the configuration's JSON Schema, check a file, or show what is in effect."`
	Version versionCommand `cmd:"" help:"Print the version."`
	Compile compileCommand `cmd:"" hidden:"" help:"Do the pure work on one tree: JSON on standard input and output, with bounded memory."`
}

// codeError ends a command with an exit code; its text, where it has one, goes to standard error.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// usageError is an error of the input: exit code 2.
func usageError(format string, args ...any) error {
	return &codeError{exitUsage, fmt.Errorf(format, args...)}
}

// run is the program, with everything that it takes from outside as an argument, and its exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	s := &streams{getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr}
	var cli commandLine
	exited := -1
	parser, err := kong.New(&cli,
		kong.Name("hitrate"),
		kong.Description("Keeps docker build warm: what a change costs the build cache, and the edit that saves it."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "hitrate:", err)
		return exitFailure
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help has printed and is done
		return exited
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "hitrate: %v\nRun hitrate --help for the commands.\n", err)
		return exitUsage
	}
	return exitCode(command.Run(), stderr)
}

func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitNothing
	}
	code := exitFailure
	coded, ok := errors.AsType[*codeError](err)
	if ok {
		code = coded.code
	}
	if text := err.Error(); text != "" {
		_, _ = fmt.Fprintln(stderr, "hitrate:", text)
	}
	return code
}

type versionCommand struct{}

// Run prints the version and the BuildKit whose frontend is built in.
func (versionCommand) Run(s *streams) error {
	frontend := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			if dependency.Path == "github.com/moby/buildkit" {
				frontend = dependency.Version
			}
		}
	}
	_, err := fmt.Fprintf(s.stdout, "hitrate %s (BuildKit frontend %s)\n", ownVersion(), frontend)
	return err
}

func ownVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}

// isTerminal says whether a stream is a terminal, where colour and progress make sense.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && terminal(int(f.Fd()))
}
