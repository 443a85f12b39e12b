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
	p := installation{into: "/usr/local/lib/python3/site-packages", cached: os.Getenv("PIP_NO_CACHE_DIR") == "",
		cacheDir: cache(prefix+"_CACHE_DIR", directory), constraints: map[string]string{}}
	if prefix == "UV" {
		p.cached = os.Getenv("UV_NO_CACHE") == ""
	}
	p.settings()
	if dir := os.Getenv("PIP_TARGET"); dir != "" {
		p.into = dir
	}
	switch {
	case len(words) == 0:
		return nil
	case words[0] == "freeze" || words[0] == "list":
		return list(p.into)
	case words[0] == "cache" && len(words) > 1 && words[1] == "dir":
		fmt.Println(p.cacheDir)
		return nil
	case words[0] == "cache" && len(words) > 1 && words[1] == "purge":
		return empty(p.cacheDir)
	case words[0] == "config" && len(words) > 3:
		return write(filepath.Join(home(), ".config/pip/pip.conf"), strings.TrimPrefix(words[2], "global.")+" = "+words[3]+"\n")
	case words[0] != "install" && words[0] != "wheel" && words[0] != "download" && words[0] != "sync":
		return nil
	}
	if dir := activated(); dir != "" {
		p.into = filepath.Join(dir, "lib/python3/site-packages")
	} else if os.Getenv("PIP_TARGET") == "" && (os.Getuid() != 0 || slices.Contains(args, "--user")) {
		p.into = filepath.Join(home(), ".local/lib/python3/site-packages")
	}
	if err := p.environment(prefix); err != nil {
		return err
	}
	if err := p.options(args[slices.Index(args, words[0])+1:]); err != nil {
		return err
	}
	for _, line := range p.what {
		if err := p.install(line); err != nil {
			return err
		}
	}
	return nil
}

// installation is one call of pip or uv.
type installation struct {
	into        string // the directory that it installs into
	cached      bool
	cacheDir    string
	what        []string          // lines as in a requirements file
	constraints map[string]string // by project
}

// settings reads pip.conf.
func (p *installation) settings() {
	for _, at := range []string{"/etc/pip.conf", filepath.Join(home(), ".config/pip/pip.conf"), filepath.Join(home(), ".pip/pip.conf"), os.Getenv("PIP_CONFIG_FILE")} {
		text, err := os.ReadFile(at)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			switch name, value, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(line), " ", ""), "="); name {
			case "no-cache-dir":
				p.cached = false
			case "cache-dir":
				if os.Getenv("PIP_CACHE_DIR") == "" {
					p.cacheDir = value
				}
			}
		}
	}
}

// environment reads the variables that stand for options.
func (p *installation) environment(prefix string) error {
	for _, path := range strings.Fields(os.Getenv(prefix + "_CONSTRAINT")) {
		if err := constrain(path, p.constraints); err != nil {
			return err
		}
	}
	for _, path := range strings.Fields(os.Getenv(prefix + "_REQUIREMENT")) {
		if err := p.file(path); err != nil {
			return err
		}
	}
	for _, path := range strings.Fields(os.Getenv(prefix + "_FIND_LINKS")) {
		p.what = append(p.what, "--find-links "+path)
	}
	return nil
}

// file adds what a requirements file asks for.
func (p *installation) file(path string) error {
	lines, err := requirements(path, p.constraints, 0)
	p.what = append(p.what, lines...)
	return err
}

// options reads the words behind "install".
func (p *installation) options(args []string) error {
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		next := func() string {
			if !joined && i+1 < len(args) {
				i++
				value = args[i]
			}
			return value
		}
		var err error
		switch {
		case name == "--no-cache-dir" || name == "--no-cache":
			p.cached = false
		case name == "-c" || name == "--constraint":
			err = constrain(next(), p.constraints)
		case name == "-r" || name == "--requirement":
			err = p.file(next())
		case strings.HasPrefix(name, "-r"):
			err = p.file(name[2:])
		case name == "--cache-dir":
			p.cacheDir = next()
		case name == "-f" || name == "--find-links":
			p.what = append(p.what, "--find-links "+next())
		case name == "-t" || name == "--target" || name == "--prefix" || name == "-w" || name == "--wheel-dir":
			p.into = next()
		case name == "-e" || name == "--editable":
			p.what = append(p.what, next())
		case slices.Contains([]string{"-i", "--index-url", "--extra-index-url", "--trusted-host", "--timeout", "--retries", "--default-timeout", "--root-user-action"}, name):
			next()
		case !strings.HasPrefix(name, "-"):
			p.what = append(p.what, args[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// install installs what one line asks for: files that hang on the line, and on the project where it names one.
func (p *installation) install(line string) error {
	w, err := resolve(line, p.constraints)
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
	if err := write(filepath.Join(p.into, name, "METADATA"), text); err != nil {
		return err
	}
	if err := write(filepath.Join(p.into, name, "__pycache__", "module.pyc"), w); err != nil {
		return err
	}
	if p.cached {
		// pip warns where it may not write there, and goes on.
		if err := write(filepath.Join(p.cacheDir, name), text); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
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
