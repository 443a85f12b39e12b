// Command tools stands for the package managers of a base image, under their names: apt-get, apk,
// pip, poetry, npm and their like. It leaves what they leave, where they leave it: indexes, packages,
// caches of the user that it runs as, and an installation that is made of the texts of the manifests
// that were read. What they could not do (install from an index that is not there, read a manifest
// that is not there) fails. Under any other name it succeeds and does nothing.
package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	if strings.HasPrefix(name, "python") && len(args) > 1 && args[0] == "-m" {
		name, args = args[1], args[2:]
	}
	if err := run(name, args); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

var versioned = regexp.MustCompile(`^pip[0-9.]*$`)

func run(name string, args []string) error {
	words, flags := split(args)
	switch {
	case name == "apt-get" || name == "apt":
		return apt(words)
	case name == "apk":
		return apk(words, flags)
	case versioned.MatchString(name):
		return pip(words, args)
	case name == "uv" && len(words) > 1 && words[0] == "pip":
		return pip(words[1:], args)
	case name == "sudo":
		return sudo(args)
	case name == "git" && len(words) > 1 && words[0] == "clone":
		return clone(words[1:])
	case name == "useradd" || name == "adduser":
		return user(words, args)
	case name == "groupadd" || name == "addgroup":
		return group(words, args)
	case name == "curl" || name == "wget":
		return download(name, args)
	case name == "venv" || name == "virtualenv":
		return environment(words)
	}
	if name == "npm" && (slices.Contains(flags, "-g") || slices.Contains(flags, "--global")) {
		for _, p := range words[min(1, len(words)):] {
			if err := write("/usr/local/lib/node_modules/"+p, p); err != nil {
				return err
			}
		}
		return nil
	}
	if m, known := managers[name]; known && len(words) > 0 && slices.Contains(m.commands, words[0]) || known && len(words) == 0 && slices.Contains(m.commands, "") {
		return m.install(flags)
	}
	return nil
}

// split tells flags from other words; a flag's value in a word of its own counts as a word.
func split(args []string) (words, flags []string) {
	for _, a := range args {
		if strings.HasPrefix(a, "-") {
			flags = append(flags, a)
		} else {
			words = append(words, a)
		}
	}
	return words, flags
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

const (
	aptIndex   = "/var/lib/apt/lists/deb.debian.org_dists_stable_main_Packages"
	aptArchive = "/var/cache/apt/archives"
)

func apt(words []string) error {
	if len(words) == 0 {
		return nil
	}
	switch words[0] {
	case "update":
		return write(aptIndex, "index")
	case "install":
		for _, p := range words[1:] {
			if _, err := os.Stat(aptIndex); err != nil {
				return fmt.Errorf("unable to locate package %s", p)
			}
			name, _, _ := strings.Cut(p, "=")
			if strings.ContainsAny(name, "/?(") { // a pattern, or a file
				name = fmt.Sprintf("%x", sha256.Sum256([]byte(name)))[:12]
			}
			if err := write("/usr/share/doc/"+name+"/copyright", name); err != nil {
				return err
			}
			if _, err := os.Stat("/etc/apt/apt.conf.d/docker-clean"); err != nil {
				if err := write(aptArchive+"/"+name+".deb", name); err != nil {
					return err
				}
			}
		}
	case "clean":
		return os.RemoveAll(aptArchive)
	}
	return nil
}

func apk(words, flags []string) error {
	const index = "/var/cache/apk/APKINDEX.tar.gz"
	if len(words) == 0 {
		return nil
	}
	fresh := slices.Contains(flags, "--no-cache")
	switch {
	case words[0] == "update" || words[0] == "add" && !fresh && (slices.Contains(flags, "-U") || slices.Contains(flags, "--update") || slices.Contains(flags, "--update-cache")):
		if err := write(index, "index"); err != nil {
			return err
		}
	case words[0] == "add" && !fresh:
		if _, err := os.Stat(index); err != nil {
			return errors.New("unable to select packages: no index")
		}
	}
	if words[0] == "add" {
		for _, p := range words[1:] {
			if err := write("/usr/share/apk/"+p, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// pip installs into site-packages; what it reads is part of what it makes.
func pip(words, args []string) error {
	if len(words) == 0 || words[0] != "install" && words[0] != "wheel" && words[0] != "download" && words[0] != "sync" {
		return nil
	}
	into, cached := "/usr/local/lib/python3/site-packages", os.Getenv("PIP_NO_CACHE_DIR") == ""
	if dir := activated(); dir != "" {
		into = filepath.Join(dir, "lib/python3/site-packages")
	} else if os.Getuid() != 0 || slices.Contains(args, "--user") {
		into = filepath.Join(home(), ".local/lib/python3/site-packages")
	}
	var what []string
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
		case name == "-r" || name == "--requirement" || name == "-c" || name == "--constraint":
			lines, err := requirements(next(), 0)
			if err != nil {
				return err
			}
			what = append(what, lines...)
		case strings.HasPrefix(name, "-r") && len(name) > 2:
			lines, err := requirements(name[2:], 0)
			if err != nil {
				return err
			}
			what = append(what, lines...)
		case name == "-t" || name == "--target" || name == "--prefix" || name == "-w" || name == "--wheel-dir":
			into = next()
		case name == "-e" || name == "--editable":
			what = append(what, next())
		case slices.Contains([]string{"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host", "--timeout", "--retries", "--default-timeout", "--root-user-action"}, name):
			next()
		case !strings.HasPrefix(name, "-"):
			what = append(what, args[i])
		}
	}
	for _, w := range what {
		text := w
		if path, _, _ := strings.Cut(w, "["); strings.HasPrefix(w, ".") || strings.HasPrefix(w, "/") {
			sum, err := contents(path)
			if err != nil {
				return err
			}
			text += " " + sum
		}
		name := fmt.Sprintf("%x", sha256.Sum256([]byte(w)))[:12]
		if err := write(filepath.Join(into, name, "METADATA"), text); err != nil {
			return err
		}
		if err := write(filepath.Join(into, name, "__pycache__", "module.pyc"), w); err != nil {
			return err
		}
		if cached {
			if err := write(filepath.Join(cache("PIP_CACHE_DIR", "pip"), name), text); err != nil {
				return err
			}
		}
	}
	return nil
}

// requirements are the lines of a file and of those that it includes.
func requirements(path string, depth int) ([]string, error) {
	if strings.Contains(path, "://") || strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/") || depth > 9 {
		return []string{path}, nil
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
			more, err := requirements(filepath.Join(filepath.Dir(path), of), depth+1)
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

// contents is a digest of everything below a path, for a build backend may read all of it, but for
// Dockerfiles: their text is what the images that are compared are made of.
func contents(path string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(d.Name(), "Dockerfile") {
			return err
		}
		data, err := os.ReadFile(p)
		_, _ = fmt.Fprintf(h, "%s\x00%d\x00%s", p, len(data), data)
		return err
	})
	return fmt.Sprintf("%x", h.Sum(nil))[:16], err
}

// manager is a package manager that installs what manifests in the working directory say.
type manager struct {
	commands []string // that install
	needs    []string // one of these has to be there
	reads    []string // these are read where they are there
	makes    string   // relative to the working directory, unless absolute
	variable string   // that names the cache
	cache    string   // below the user's cache directory
	project  []string // flags without which the project itself is read too, where it has such flags
}

var managers = map[string]manager{
	"npm":      {commands: []string{"ci", "install", "i"}, needs: []string{"package.json"}, reads: []string{"package-lock.json", ".npmrc"}, makes: "node_modules", variable: "npm_config_cache", cache: "../.npm"},
	"yarn":     {commands: []string{"install", ""}, needs: []string{"package.json"}, reads: []string{"yarn.lock", ".yarnrc.yml"}, makes: "node_modules", variable: "YARN_CACHE_FOLDER", cache: "yarn"},
	"pnpm":     {commands: []string{"install", "i"}, needs: []string{"package.json"}, reads: []string{"pnpm-lock.yaml"}, makes: "node_modules", variable: "PNPM_HOME", cache: "pnpm"},
	"poetry":   {commands: []string{"install"}, needs: []string{"pyproject.toml"}, reads: []string{"poetry.lock"}, makes: "/usr/local/lib/python3/site-packages/poetry", variable: "POETRY_CACHE_DIR", cache: "pypoetry", project: []string{"--no-root"}},
	"uv":       {commands: []string{"sync"}, needs: []string{"pyproject.toml"}, reads: []string{"uv.lock"}, makes: ".venv/lib", variable: "UV_CACHE_DIR", cache: "uv", project: []string{"--no-install-project"}},
	"pipenv":   {commands: []string{"install", "sync"}, needs: []string{"Pipfile", "Pipfile.lock"}, reads: []string{"Pipfile", "Pipfile.lock"}, makes: "/usr/local/lib/python3/site-packages/pipenv", variable: "PIPENV_CACHE_DIR", cache: "pipenv"},
	"go":       {commands: []string{"mod"}, needs: []string{"go.mod"}, reads: []string{"go.sum"}, makes: "/go/pkg/mod/cache", variable: "GOCACHE", cache: "go-build"},
	"bundle":   {commands: []string{"install"}, needs: []string{"Gemfile"}, reads: []string{"Gemfile.lock"}, makes: "/usr/local/bundle/gems", variable: "BUNDLE_CACHE", cache: "bundle"},
	"composer": {commands: []string{"install"}, needs: []string{"composer.json"}, reads: []string{"composer.lock"}, makes: "vendor", variable: "COMPOSER_CACHE_DIR", cache: "composer"},
}

func (m manager) install(flags []string) error {
	h, found := sha256.New(), false
	for _, p := range slices.Concat(m.needs, m.reads) {
		data, err := os.ReadFile(p)
		if err == nil {
			found = found || slices.Contains(m.needs, p)
			_, _ = fmt.Fprintf(h, "%s\x00%d\x00%s", p, len(data), data)
		}
	}
	if !found {
		return fmt.Errorf("no %s here", strings.Join(m.needs, " or "))
	}
	if m.project != nil && !slices.ContainsFunc(m.project, func(f string) bool { return slices.Contains(flags, f) }) {
		sum, err := contents(".")
		if err != nil {
			return err
		}
		_, _ = fmt.Fprint(h, sum)
	}
	text := fmt.Sprintf("%x", h.Sum(nil))
	if err := write(filepath.Join(m.makes, "installed"), text); err != nil {
		return err
	}
	if slices.Contains(flags, "--no-cache") {
		return nil
	}
	return write(filepath.Join(cache(m.variable, m.cache), "cached"), text)
}

func cache(variable, name string) string {
	if dir := os.Getenv(variable); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, name)
	}
	return filepath.Join(home(), ".cache", name)
}

func home() string {
	if dir := os.Getenv("HOME"); dir != "" {
		return dir
	}
	return "/"
}

// sudo runs the rest as root.
func sudo(args []string) error {
	for len(args) > 0 && (strings.HasPrefix(args[0], "-") || strings.Contains(args[0], "=")) {
		args = args[1:]
	}
	if len(args) == 0 {
		return nil
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	if err := errors.Join(syscall.Setgid(0), syscall.Setuid(0)); err != nil {
		return err
	}
	return syscall.Exec(program, args, os.Environ())
}

// clone makes a repository with nothing to speak of in it.
func clone(words []string) error {
	into := words[len(words)-1]
	if strings.Contains(into, ":") {
		into = strings.TrimSuffix(filepath.Base(into), ".git")
	}
	for _, f := range []string{"README.md", "requirements.txt", "setup.py", "package.json", "Gemfile"} {
		if err := write(filepath.Join(into, f), ""); err != nil {
			return err
		}
	}
	return nil
}

// download leaves a file where the flags say that one is left. Its text is the address.
func download(name string, args []string) error {
	into, address, last := "", "", ""
	for i := 0; i < len(args); i++ {
		a := args[i]
		value := func() string {
			if i+1 < len(args) {
				i++
				return args[i]
			}
			return ""
		}
		long, joined, hasValue := strings.Cut(a, "=")
		short := strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--")
		switch {
		case strings.Contains(a, "://"):
			address = a
			last = filepath.Base(a)
		case (long == "--output" || long == "--output-document") && hasValue:
			into = joined
		case a == "--output" || a == "--output-document", short && name == "curl" && strings.HasSuffix(a, "o"), short && name == "wget" && strings.HasSuffix(a, "O"):
			into = value()
		case short && name == "wget" && strings.Contains(a, "O"): // -O-, -qO/dev/null
			_, into, _ = strings.Cut(a, "O")
		case short && name == "curl" && strings.Contains(a, "O"), a == "--remote-name":
			into = "."
		}
	}
	switch {
	case into == "-" || into == "" && (name == "curl" || address == ""):
		return nil
	case into == "" || into == ".":
		into = last
	}
	return write(into, address)
}

// environment makes a virtual environment whose programs are those of the image.
func environment(words []string) error {
	if len(words) == 0 {
		return nil
	}
	bin := filepath.Join(words[len(words)-1], "bin")
	if err := write(filepath.Join(bin, "activate"), ""); err != nil {
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

// user adds an account where there is none of the name.
func user(words, args []string) error {
	if len(words) == 0 {
		return nil
	}
	name := words[len(words)-1]
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil || strings.Contains("\n"+string(passwd), "\n"+name+":") {
		return err
	}
	id := fmt.Sprint(1000 + strings.Count(string(passwd), "\n"))
	if i := slices.Index(args, "-u"); i >= 0 && i+1 < len(args) {
		id = args[i+1]
	}
	for _, at := range []string{"-d", "--home-dir", "--home"} {
		if i := slices.Index(args, at); i >= 0 && i+1 < len(args) && slices.ContainsFunc(args, func(a string) bool { return a == "-m" || a == "--create-home" }) {
			if err := os.MkdirAll(args[i+1], 0o755); err != nil {
				return err
			}
		}
	}
	if err := os.WriteFile("/etc/passwd", append(passwd, fmt.Sprintf("%s:x:%s:%s::/home/%s:/bin/sh\n", name, id, id, name)...), 0o644); err != nil {
		return err
	}
	return group([]string{name}, []string{"-g", id})
}

// group adds a group where there is none of the name.
func group(words, args []string) error {
	if len(words) == 0 {
		return nil
	}
	name := words[len(words)-1]
	groups, err := os.ReadFile("/etc/group")
	if err != nil || strings.Contains("\n"+string(groups), "\n"+name+":") {
		return err
	}
	id := fmt.Sprint(1000 + strings.Count(string(groups), "\n"))
	if i := slices.Index(args, "-g"); i >= 0 && i+1 < len(args) {
		id = args[i+1]
	}
	return os.WriteFile("/etc/group", append(groups, fmt.Sprintf("%s:x:%s:\n", name, id)...), 0o644)
}
