package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var (
	daemon *Daemon
	images *Images
	// unavailable is why there is no daemon.
	unavailable error
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "hitrate-lab-images-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	err = func() error {
		cache, err := filepath.Abs("../.cache/lab")
		if err != nil {
			return err
		}
		bin, err := Prepare(ctx, cache)
		if err != nil {
			return err
		}
		if images, err = NewImages(dir); err != nil {
			return err
		}
		daemon, err = Start(ctx, bin)
		return err
	}()
	var cannot *Unavailable
	switch {
	case errors.As(err, &cannot):
		unavailable = err
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	default:
		defer func() {
			if err := daemon.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
	return m.Run()
}

func needDaemon(t *testing.T) {
	t.Helper()
	switch {
	case unavailable == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(unavailable) // nothing may be left out there
	default:
		t.Skip(unavailable)
	}
}

// everything says that time does not matter.
func everything() bool { return os.Getenv("HITRATE_LAB") == "all" }
