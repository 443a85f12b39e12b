// Command hitrate reviews pull requests for what they do to the Docker build cache, as a GitHub App
// and on the command line. It wires the packages under internal together and decides nothing.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	releaseStartPages()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
