package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// reads says whether a program is one of the project's own: a build, a script, a test run.
func reads(name string, words []string) bool {
	switch {
	case name == "make":
		return true
	case strings.HasPrefix(name, "python") || name == "node":
		return len(words) > 0 && (strings.HasSuffix(words[0], ".py") || strings.HasSuffix(words[0], ".js"))
	case slices.Contains([]string{"npm", "yarn", "pnpm"}, name):
		return len(words) > 0 && (words[0] == "run" || words[0] == "build" || words[0] == "test")
	}
	return false
}

// environmentText is what a build may read of its environment: all but what the shell and the daemon put there.
func environmentText() string {
	h := sha256.New()
	for _, pair := range slices.Sorted(slices.Values(os.Environ())) {
		name, _, _ := strings.Cut(pair, "=")
		if !slices.Contains([]string{"_", "PWD", "OLDPWD", "SHLVL", "HOSTNAME"}, name) && !strings.HasPrefix(name, "TRACE") && !strings.HasPrefix(name, "OTEL") && !strings.HasPrefix(name, "BUILDKIT") {
			_, _ = fmt.Fprintf(h, "%s\x00", pair)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))[:16]
}

// program reads all that lies in its directory, its environment and what was installed, and leaves there what it makes of that,
// where its user may write.
func program(name string, args []string) error {
	dirs := []string{"/usr/local/lib/python3/site-packages", "/usr/local/lib/node_modules"}
	if at, err := os.Getwd(); err == nil && at != "/" {
		dirs = append(dirs, ".")
	} else {
		dirs = append(dirs, "/app", "/home", "/opt", "/srv", "/usr/src") // no caches, no indexes
	}
	sum := environmentText()
	for _, dir := range dirs {
		text, err := contents(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		sum += text
	}
	at := fmt.Sprintf("built-%s-%x", name, sha256.Sum256([]byte(strings.Join(args, " "))))
	if err := write(at[:20], sum); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

func systemDirectory(p string) bool {
	p, err := filepath.Abs(p)
	return err == nil && slices.Contains([]string{"/.lab", "/bin", "/dev", "/etc", "/home", "/proc", "/root", "/sbin", "/sys", "/tmp", "/usr", "/var"}, p)
}

// manifest is the path of a file that pip reads requirements from.
var manifest = regexp.MustCompile(`(^|/)(requirements|constraints)[^/]*\.(txt|in)$|(^|/)requirements/[^/]*\.txt$`)

// resolved is such a file with the version of each requirement that pip takes.
func resolved(data []byte) []byte {
	var out []byte
	for line := range strings.Lines(string(data)) {
		text, comment, _ := strings.Cut(line, " #")
		if with, err := resolve(strings.TrimSpace(text), nil); err == nil {
			line = with + " #" + comment + "\n"
		}
		out = append(out, line...)
	}
	return out
}

// contents is a digest of everything below a path, for a build backend may read all of it, but for
// Dockerfiles: their text is what the images that are compared are made of. Of requirements it takes the
// version that pip does, so that a pin of that version is the same; and no caches, where the home is the project.
func contents(path string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && systemDirectory(p) {
			return filepath.SkipDir // a project in the root directory is not made of the system
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil // another user's
		}
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == ".cache" || slices.Contains([]string{"/proc", "/sys", "/dev", "/.lab"}, "/"+strings.TrimPrefix(p, "/"))) {
			return fs.SkipDir
		}
		if err != nil || !d.Type().IsRegular() || strings.Contains(strings.ToLower(d.Name()), "dockerfile") || strings.HasSuffix(d.Name(), ".dockerignore") || d.Name() == "HEAD" { // of .git, where "COPY *" brings what is in it
			return err
		}
		data, err := os.ReadFile(p)
		if manifest.MatchString(p) {
			data = resolved(data)
		}
		_, _ = fmt.Fprintf(h, "%s\x00%d\x00%s", p, len(data), data)
		return err
	})
	return fmt.Sprintf("%x", h.Sum(nil))[:16], err
}
