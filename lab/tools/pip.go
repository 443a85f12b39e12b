package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// pip installs into site-packages; what it reads is part of what it makes.
func pip(words, args []string, prefix, directory string) error {
	into, cached, cacheDir := "/usr/local/lib/python3/site-packages", os.Getenv("PIP_NO_CACHE_DIR") == "", cache(prefix+"_CACHE_DIR", directory)
	if prefix == "UV" {
		cached = os.Getenv("UV_NO_CACHE") == ""
	}
	for _, at := range []string{"/etc/pip.conf", filepath.Join(home(), ".config/pip/pip.conf"), filepath.Join(home(), ".pip/pip.conf"), os.Getenv("PIP_CONFIG_FILE")} {
		text, err := os.ReadFile(at)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			switch name, value, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(line), " ", ""), "="); name {
			case "no-cache-dir":
				cached = false
			case "cache-dir":
				if os.Getenv("PIP_CACHE_DIR") == "" {
					cacheDir = value
				}
			}
		}
	}
	if dir := os.Getenv("PIP_TARGET"); dir != "" {
		into = dir
	}
	switch {
	case len(words) == 0:
		return nil
	case words[0] == "freeze" || words[0] == "list":
		return list(into)
	case words[0] == "cache" && len(words) > 1 && words[1] == "dir":
		fmt.Println(cacheDir)
		return nil
	case words[0] == "cache" && len(words) > 1 && words[1] == "purge":
		return empty(cacheDir)
	case words[0] == "config" && len(words) > 3:
		return write(filepath.Join(home(), ".config/pip/pip.conf"), strings.TrimPrefix(words[2], "global.")+" = "+words[3]+"\n")
	case words[0] != "install" && words[0] != "wheel" && words[0] != "download" && words[0] != "sync":
		return nil
	}
	if dir := activated(); dir != "" {
		into = filepath.Join(dir, "lib/python3/site-packages")
	} else if os.Getenv("PIP_TARGET") == "" && (os.Getuid() != 0 || slices.Contains(args, "--user")) {
		into = filepath.Join(home(), ".local/lib/python3/site-packages")
	}
	var what []string
	constraints := map[string]string{}
	for _, path := range strings.Fields(os.Getenv(prefix + "_CONSTRAINT")) {
		if err := constrain(path, constraints); err != nil {
			return err
		}
	}
	for _, path := range strings.Fields(os.Getenv(prefix + "_REQUIREMENT")) {
		lines, err := requirements(path, constraints, 0)
		if err != nil {
			return err
		}
		what = append(what, lines...)
	}
	for _, path := range strings.Fields(os.Getenv(prefix + "_FIND_LINKS")) {
		what = append(what, "--find-links "+path)
	}
	for i := slices.Index(args, words[0]) + 1; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		next := func() string {
			if !joined && i+1 < len(args) {
				i++
				value = args[i]
			}
			return value
		}
		switch {
		case name == "--no-cache-dir" || name == "--no-cache":
			cached = false
		case name == "-c" || name == "--constraint":
			if err := constrain(next(), constraints); err != nil {
				return err
			}
		case name == "-r" || name == "--requirement" || strings.HasPrefix(name, "-r") && len(name) > 2:
			path := name[2:]
			if name == "-r" || name == "--requirement" {
				path = next()
			}
			lines, err := requirements(path, constraints, 0)
			if err != nil {
				return err
			}
			what = append(what, lines...)
		case name == "--cache-dir":
			cacheDir = next()
		case name == "-f" || name == "--find-links":
			what = append(what, "--find-links "+next())
		case name == "-t" || name == "--target" || name == "--prefix" || name == "-w" || name == "--wheel-dir":
			into = next()
		case name == "-e" || name == "--editable":
			what = append(what, next())
		case slices.Contains([]string{"-i", "--index-url", "--extra-index-url", "--trusted-host", "--timeout", "--retries", "--default-timeout", "--root-user-action"}, name):
			next()
		case !strings.HasPrefix(name, "-"):
			what = append(what, args[i])
		}
	}
	for _, w := range what {
		w, err := resolve(w, constraints)
		if err != nil {
			return err
		}
		text, links := w, strings.HasPrefix(w, "--find-links ")
		if _, at, direct := strings.Cut(w, " @ file:"); direct {
			w = at
		}
		for _, option := range []string{"-e ", "--editable ", "--find-links ", "file:"} {
			rest, found := strings.CutPrefix(w, option)
			if _, err := os.Stat(rest); option == "--find-links " && err != nil {
				continue // pip warns
			}
			if found && !strings.Contains(rest, ":") && !filepath.IsAbs(rest) {
				w = "./" + rest
			}
		}
		if path, _, _ := strings.Cut(w, "["); strings.HasPrefix(w, ".") || strings.HasPrefix(w, "/") {
			if !links && !isProject(path) {
				return fmt.Errorf("%s does not appear to be a Python project", path)
			}
			sum, err := contents(path)
			if err != nil {
				return err
			}
			text += " " + sum
			if !links {
				text += " " + environmentText()
			}
		}
		name := fmt.Sprintf("%x", sha256.Sum256([]byte(w)))[:12]
		if err := write(filepath.Join(into, name, "METADATA"), text); err != nil {
			return err
		}
		if err := write(filepath.Join(into, name, "__pycache__", "module.pyc"), w); err != nil {
			return err
		}
		if cached {
			// pip warns where it may not write there, and goes on.
			if err := write(filepath.Join(cacheDir, name), text); err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		}
	}
	return nil
}

// isProject says whether a path is a file (an archive, a wheel) or a directory that pip can build.
func isProject(path string) bool {
	info, err := os.Stat(path)
	return err != nil || !info.IsDir() || slices.ContainsFunc([]string{"setup.py", "setup.cfg", "pyproject.toml"}, func(name string) bool {
		_, err := os.Stat(filepath.Join(path, name))
		return err == nil
	})
}

// constrain reads what a constraints file allows of each project.
func constrain(path string, constraints map[string]string) error {
	lines, err := requirements(path, constraints, 0)
	for _, line := range lines {
		if m := named.FindStringSubmatch(line); m != nil {
			constraints[projectName(m[1])] += "," + m[3]
		}
	}
	return err
}

// requirements are the lines of a file and of those that it includes; what it is constrained by is added to
// constraints.
func requirements(path string, constraints map[string]string, depth int) ([]string, error) {
	if strings.Contains(path, "://") || depth > 9 {
		return []string{path}, nil
	}
	if path == "-" {
		path = "/dev/stdin"
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if of := fields[len(fields)-1]; len(fields) == 2 && (fields[0] == "-r" || fields[0] == "-c" || fields[0] == "--requirement" || fields[0] == "--constraint") {
			of = filepath.Join(filepath.Dir(path), of)
			if strings.HasPrefix(strings.TrimLeft(fields[0], "-"), "c") {
				if err := constrain(of, constraints); err != nil {
					return nil, err
				}
				continue
			}
			more, err := requirements(of, constraints, depth+1)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
			continue
		}
		all = append(all, line)
	}
	return all, nil
}

// environment makes a virtual environment whose programs are those of the image.
func environment(words []string) error {
	if len(words) == 0 {
		return nil
	}
	bin := filepath.Join(words[len(words)-1], "bin")
	dir, err := filepath.Abs(filepath.Dir(bin))
	if err != nil {
		return err
	}
	if err := write(filepath.Join(bin, "activate"), fmt.Sprintf("VIRTUAL_ENV=%s\nexport VIRTUAL_ENV\nPATH=$VIRTUAL_ENV/bin:$PATH\nexport PATH\n", dir)); err != nil {
		return err
	}
	for _, name := range []string{"python", "python3", "pip", "pip3"} {
		if err := os.Symlink("/.lab/stub", filepath.Join(bin, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// activated is the virtual environment that this program was found in; "" for none.
func activated() string {
	program, err := exec.LookPath(os.Args[0])
	if err != nil {
		return ""
	}
	dir, err := filepath.Abs(filepath.Dir(program))
	if err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(dir, "activate")); err != nil {
		return ""
	}
	return filepath.Dir(dir)
}
