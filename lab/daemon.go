package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/moby/buildkit/client"
)

// Daemon is a buildkitd of its own with an empty cache.
type Daemon struct {
	Client *client.Client

	process *exec.Cmd
	exited  chan struct{}
	bin     string
	root    string
	log     string

	mounted bool // a build may have left something in a cache mount
}

// Unavailable says why this machine cannot run the laboratory.
type Unavailable struct{ Reason string }

func (e *Unavailable) Error() string { return "the laboratory cannot run here: " + e.Reason }

// Prepare installs what the daemon needs and builds it. It returns the directory of the binaries.
func Prepare(ctx context.Context, cache string) (string, error) {
	if os.Getuid() != 0 {
		return "", &Unavailable{"it needs root"}
	}
	var missing []string
	for _, need := range []struct{ program, pkg string }{{"runc", "runc"}, {"busybox", "busybox-static"}, {"bash-static", "bash-static"}} {
		if _, err := exec.LookPath(need.program); err != nil {
			missing = append(missing, need.pkg)
		}
	}
	if len(missing) > 0 {
		install := "apt-get install -y --no-install-recommends " + strings.Join(missing, " ")
		command := exec.CommandContext(ctx, "sh", "-c", install+" || { apt-get update && "+install+"; }")
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := command.CombinedOutput(); err != nil {
			return "", &Unavailable{fmt.Sprintf("%s: %v\n%s", install, err, out)}
		}
	}
	bin := filepath.Join(cache, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", bin+"/", "github.com/moby/buildkit/cmd/buildkitd")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build buildkitd: %w\n%s", err, out)
	}
	return bin, nil
}

// Start runs a daemon until Stop.
func Start(ctx context.Context, bin string) (*Daemon, error) {
	root, err := os.MkdirTemp("", "hitrate-lab-")
	if err != nil {
		return nil, err
	}
	d := &Daemon{bin: bin, root: root, log: filepath.Join(root, "log"), exited: make(chan struct{})}
	socket := "unix://" + filepath.Join(root, "sock")
	config := filepath.Join(root, "buildkitd.toml")
	if err := os.WriteFile(config, nil, 0o644); err != nil {
		return nil, err
	}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	// It outlives ctx, which is only for starting it: Stop ends it, or the end of this process.
	d.process = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(bin, "buildkitd"),
		"--config", config, "--root", filepath.Join(root, "root"), "--addr", socket,
		"--oci-worker=true", "--containerd-worker=false", "--oci-worker-net=host", "--oci-worker-gc=false",
		"--oci-worker-snapshotter="+snapshotter(root), "--otel-socket-path", filepath.Join(root, "otel"))
	d.process.Stdout, d.process.Stderr = log, log
	d.process.Env = append(os.Environ(), "GOGC=400") // it lives on little memory, and time is what is short
	d.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := d.process.Start(); err != nil {
		return nil, fmt.Errorf("start buildkitd: %w", err)
	}
	go func() {
		_ = d.process.Wait()
		close(d.exited)
	}()
	if d.Client, err = client.New(ctx, socket); err != nil {
		return nil, errors.Join(err, d.Stop())
	}
	for {
		_, err := d.Client.ListWorkers(ctx)
		if err == nil {
			return d, nil
		}
		select {
		case <-d.exited:
			text, _ := os.ReadFile(d.log)
			return nil, errors.Join(&Unavailable{fmt.Sprintf("buildkitd ended:\n%s", text)}, d.Stop())
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), d.Stop())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// snapshotter is overlayfs where it can be mounted, else copies.
func snapshotter(dir string) string {
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.MkdirAll(filepath.Join(dir, "probe", name), 0o755); err != nil {
			return "native"
		}
	}
	at := func(name string) string { return filepath.Join(dir, "probe", name) }
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", at("lower"), at("upper"), at("work"))
	if err := syscall.Mount("overlay", at("merged"), "overlay", 0, options); err != nil {
		return "native"
	}
	_ = syscall.Unmount(at("merged"), 0)
	return "overlayfs"
}

// Empty forgets everything the daemon has built. What a build used is released a moment after it;
// builds that fail can leave something in use for good, and then a new daemon begins.
func (d *Daemon) Empty(ctx context.Context) error {
	for range 50 {
		if err := d.Client.Prune(ctx, nil, client.PruneAll); err != nil {
			return err
		}
		left, err := d.Client.DiskUsage(ctx)
		if err != nil || len(left) == 0 {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := d.Stop(); err != nil {
		return err
	}
	fresh, err := Start(ctx, d.bin)
	if err != nil {
		return err
	}
	*d = *fresh
	return nil
}

// EmptyMounts forgets what is in cache mounts, and nothing else.
func (d *Daemon) EmptyMounts(ctx context.Context) error {
	if !d.mounted {
		return nil
	}
	d.mounted = false
	return d.Client.Prune(ctx, nil, client.PruneAll, cacheMounts{})
}

// cacheMounts narrows what is pruned.
type cacheMounts struct{}

func (cacheMounts) SetPruneOption(i *client.PruneInfo) { i.Filter = []string{"type==exec.cachemount"} }

// Stop ends the daemon and removes its root.
func (d *Daemon) Stop() error {
	if d.Client != nil {
		_ = d.Client.Close()
	}
	_ = d.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.exited:
	case <-time.After(10 * time.Second):
		_ = d.process.Process.Kill()
		<-d.exited
	}
	return os.RemoveAll(d.root)
}
