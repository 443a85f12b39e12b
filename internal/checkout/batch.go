package checkout

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// batch reads blobs through one "git cat-file --batch" that lives as long as the checkout: a process
// for each of the hundred texts that a look takes would cost more than the look. Its zero value has
// not been started.
type batch struct {
	mu  sync.Mutex
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// blob gives a text; ErrTooLarge above maxText.
func (b *batch) blob(ctx context.Context, g git, object string) ([]byte, error) {
	if strings.Trim(object, "0123456789abcdef") != "" || object == "" {
		return nil, fmt.Errorf("read the object %q: not an object id", object)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, err := b.ask(ctx, g, object)
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return nil, fmt.Errorf("read the object %s: %w", object, err)
	}
	return data, err
}

func (b *batch) ask(ctx context.Context, g git, object string) ([]byte, error) {
	if b.cmd == nil {
		if err := b.start(ctx, g); err != nil {
			return nil, err
		}
	}
	if _, err := io.WriteString(b.in, object+"\n"); err != nil {
		return nil, err
	}
	header, err := b.out.ReadString('\n')
	if err != nil {
		return nil, err
	}
	// "<id> blob <size>", or "<id> missing".
	fields := strings.Fields(header)
	if len(fields) != 3 {
		return nil, errors.New("git does not have it")
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return nil, err
	}
	if fields[1] != "blob" || size > maxText {
		if _, err := io.CopyN(io.Discard, b.out, size+1); err != nil {
			return nil, err
		}
		if fields[1] != "blob" {
			return nil, fmt.Errorf("a %s, not a blob", fields[1])
		}
		return nil, ErrTooLarge
	}
	data := make([]byte, size+1) // with the newline that follows it
	if _, err := io.ReadFull(b.out, data); err != nil {
		return nil, err
	}
	return data[:size], nil
}

func (b *batch) start(ctx context.Context, g git) error {
	// It outlives the call that happens to be the first.
	cmd, err := g.command(context.WithoutCancel(ctx), "cat-file", "--batch")
	if err != nil {
		return err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	b.cmd, b.in, b.out = cmd, in, bufio.NewReader(out)
	return nil
}

// close ends the process.
func (b *batch) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return
	}
	_ = b.in.Close() // git ends with its input
	_ = b.cmd.Wait() // nothing is asked any more
	b.cmd = nil
}
