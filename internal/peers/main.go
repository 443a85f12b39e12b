//go:build unix

// Command peers measures what a whole process of "hitrate check" takes, beside tools of the same kind, on
// the same files in one run: processor time (user and system, also of processes that it starts) and peak
// memory (the largest resident set). See scripts/bench-peers.sh.
//
//	go run ./internal/peers hitrate=PATH [tally=PATH]
//
// The files are the Dockerfiles of the work trees below HITRATE_CORPUS, else those of the analysis's test archives.
// This program is small on purpose: a process that it starts counts as large as this one is.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// rounds is how often each tool looks at each file; the tools take turns.
const rounds = 3

// commands are how each tool looks at files and prints JSON. Nothing that asks the network is on.
var commands = map[string][]string{
	"hitrate": {"check", "--format", "json"},
	"tally":   {"lint", "--format", "json", "--slow-checks", "off"},
}

type tool struct {
	name, path string
	each       []usage // one process for each file, the median of its rounds
}

// usage is what one process took.
type usage struct {
	cpu, wall time.Duration
	peak      int64 // bytes
}

// file is a Dockerfile, by its path in a work tree.
type file struct{ tree, path string }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var tools []*tool
	for _, arg := range args {
		name, path, ok := strings.Cut(arg, "=")
		if commands[name] == nil || !ok {
			return fmt.Errorf("%s: not one of the tools, as NAME=PATH", arg)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		tools = append(tools, &tool{name: name, path: path})
	}
	top := os.Getenv("HITRATE_CORPUS")
	if top == "" {
		dir, err := os.MkdirTemp("", "hitrate-peers-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if err := extract(dir); err != nil {
			return fmt.Errorf("write the test archives: %w", err)
		}
		top = dir
	}
	top, err := filepath.Abs(top)
	if err != nil {
		return err
	}
	files, err := dockerfiles(top)
	if err != nil {
		return fmt.Errorf("list %s: %w", top, err)
	}
	if files, err = eachFile(ctx, tools, files); err != nil {
		return err
	}
	fmt.Printf("%d Dockerfiles, %d rounds, %d processors; load average: %s\n\n", len(files), rounds, runtime.NumCPU(), load())
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(out, "one process for each file\tCPU ms median\tmean\tmost\tpeak MiB median\tmost")
	for _, t := range tools {
		cpu, peak := sorted(t.each, func(u usage) float64 { return ms(u.cpu) }), sorted(t.each, func(u usage) float64 { return mib(u.peak) })
		_, _ = fmt.Fprintf(out, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\n", t.name, middle(cpu), mean(cpu), cpu[len(cpu)-1], middle(peak), peak[len(peak)-1])
	}
	_, _ = fmt.Fprintln(out, "\nall files in one call\tCPU s\tseconds\tpeak MiB")
	for _, t := range tools {
		paths := make([]string, len(files))
		for i, f := range files {
			paths[i] = filepath.Join(f.tree, f.path)
		}
		u, err := t.look(ctx, top, paths)
		if err != nil {
			_, _ = fmt.Fprintf(out, "%s\tfails: %v\n", t.name, err)
			continue
		}
		_, _ = fmt.Fprintf(out, "%s\t%.2f\t%.2f\t%.1f\n", t.name, u.cpu.Seconds(), u.wall.Seconds(), mib(u.peak))
	}
	return out.Flush()
}

// eachFile lets every tool look at every file. Files that one of the tools refuses are left out, and named.
func eachFile(ctx context.Context, tools []*tool, files []file) ([]file, error) {
	var kept []file
	left := map[string][]string{}
	for _, f := range files {
		took := make([][]usage, len(tools))
		refused := ""
		for range rounds {
			for i, t := range tools {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				if refused != "" {
					break
				}
				u, err := t.look(ctx, f.tree, []string{f.path})
				if err != nil {
					refused = t.name
				}
				took[i] = append(took[i], u)
			}
		}
		if refused != "" {
			left[refused] = append(left[refused], filepath.Join(filepath.Base(f.tree), f.path))
			continue
		}
		kept = append(kept, f)
		for i, t := range tools {
			slices.SortFunc(took[i], func(a, b usage) int { return cmp.Compare(a.cpu, b.cpu) })
			t.each = append(t.each, took[i][rounds/2])
		}
	}
	for _, t := range tools {
		if names := left[t.name]; names != nil {
			fmt.Printf("%d left out, which %s refuses: %s\n", len(names), t.name, strings.Join(names, ", "))
		}
	}
	if len(kept) == 0 {
		return nil, errors.New("no Dockerfiles")
	}
	return kept, nil
}

// look runs the tool. An exit code above 1 says that it did not do its work.
func (t *tool) look(ctx context.Context, dir string, paths []string) (usage, error) {
	cmd := exec.CommandContext(ctx, t.path, append(slices.Clone(commands[t.name]), paths...)...) // #nosec G204 -- the tools that are measured
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	begun := time.Now()
	err := cmd.Run()
	u := usage{wall: time.Since(begun)}
	if cmd.ProcessState == nil {
		return u, err
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.peak = int64(r.Maxrss)      //nolint:unconvert // an int32 on some machines
		if runtime.GOOS != "darwin" { // where it is bytes
			u.peak <<= 10
		}
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 1 {
		text, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return u, fmt.Errorf("exit code %d: %s", code, text)
	}
	return u, nil
}

// dockerfiles are those of the work trees below a directory.
func dockerfiles(top string) ([]file, error) {
	trees, err := os.ReadDir(top)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, tree := range trees {
		if !tree.IsDir() {
			continue
		}
		root := filepath.Join(top, tree.Name())
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && isDockerfile(d.Name()) {
				rel, _ := filepath.Rel(root, p) // p is below it
				files = append(files, file{root, rel})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// isDockerfile is about what every tool takes for one by its name.
func isDockerfile(name string) bool {
	return (strings.HasPrefix(name, "Dockerfile") || strings.HasSuffix(name, ".Dockerfile")) &&
		!strings.HasSuffix(name, ".dockerignore") && !strings.HasSuffix(name, ".j2")
}

// extract writes the archives of the analysis, each as a work tree.
func extract(dir string) error {
	archives, err := filepath.Glob("internal/analysis/testdata/*.txtar")
	if err != nil {
		return err
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			return err
		}
		tree := filepath.Join(dir, strings.TrimSuffix(filepath.Base(name), ".txtar"))
		if err := os.MkdirAll(filepath.Join(tree, ".github"), 0o700); err != nil { // marks a root
			return err
		}
		for _, f := range archive.Files {
			if f.Name == "report" || !filepath.IsLocal(f.Name) {
				continue
			}
			path := filepath.Join(tree, f.Name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(path, f.Data, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

func sorted(all []usage, of func(usage) float64) []float64 {
	var out []float64
	for _, u := range all {
		out = append(out, of(u))
	}
	slices.Sort(out)
	return out
}

func middle(sorted []float64) float64 { return sorted[len(sorted)/2] }

func mean(all []float64) float64 {
	sum := 0.0
	for _, v := range all {
		sum += v
	}
	return sum / float64(len(all))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// load is the machine's load average, which tells how much to believe of times.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
