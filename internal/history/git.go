package history

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// git runs git on one repository.
type git struct {
	dir string
	env []string
}

// quiet is the environment in which git asks nobody, starts nothing that a repository's configuration
// names, and reads history as it is. Where no protocol is allowed, no missing object is fetched: an older
// git does not know GIT_NO_LAZY_FETCH.
func quiet(protocols string) []string {
	return []string{
		"GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=" + protocols, "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0",
		"GIT_NO_REPLACE_OBJECTS=1", "LC_ALL=C",
	}
}

// localGit is a repository of the person who runs hitrate, with that person's configuration (which says
// whose directories are safe).
func localGit(dir string) git {
	return git{dir: dir, env: append(os.Environ(), quiet("none")...)}
}

func (g git) command(ctx context.Context, args ...string) *exec.Cmd {
	fixed := []string{"-C", g.dir, "--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "diff.external="}
	cmd := exec.CommandContext(ctx, "git", append(fixed, args...)...)
	cmd.Env = g.env
	cmd.WaitDelay = 2 * time.Second // for what git started and what still holds its output
	return cmd
}

// run returns what git prints.
func (g git) run(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := g.command(ctx, args...)
	stderr := &tail{}
	cmd.Stdin, cmd.Stderr = stdin, stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, gitError(ctx, args[0], stderr, err)
	}
	return out, nil
}

// stream hands what git prints to a reader, which ends git by returning an error.
func (g git) stream(ctx context.Context, stdin io.Reader, read func(*bufio.Reader) error, args ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := g.command(ctx, args...)
	stderr := &tail{}
	cmd.Stdin, cmd.Stderr = stdin, stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("git %s: %w", args[0], err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("git %s: %w", args[0], err)
	}
	if err := read(bufio.NewReaderSize(out, 64<<10)); err != nil {
		cancel()
		_ = cmd.Wait() // it was ended
		return fmt.Errorf("git %s: %w", args[0], err)
	}
	if err := cmd.Wait(); err != nil {
		return gitError(ctx, args[0], stderr, err)
	}
	return nil
}

func gitError(ctx context.Context, command string, stderr *tail, err error) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("git %s: %w", command, cause)
	}
	if text := strings.TrimSpace(stderr.String()); text != "" {
		return fmt.Errorf("git %s: %w", command, errors.New(text))
	}
	return fmt.Errorf("git %s: %w", command, err)
}

// tail keeps the end of what git says about an error.
type tail struct{ bytes.Buffer }

// maxTail is the most that is kept, in bytes.
const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	n, err := t.Buffer.Write(p)
	if over := t.Len() - maxTail; over > 0 {
		t.Next(over)
	}
	return n, err
}
