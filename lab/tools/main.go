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
	"strconv"
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
	case name == "apt-cache":
		return index(aptIndex, "debian")
	case name == "add-apt-repository":
		return repository(words)
	case name == "dpkg":
		return list("/usr/share/doc")
	case name == "apk":
		return apk(words, flags)
	case versioned.MatchString(name):
		return pip(words, args, "PIP", "pip")
	case name == "uv" && len(words) > 1 && words[0] == "pip":
		return pip(words[1:], args, "UV", "uv")
	case name == "sudo":
		return sudo(args)
	case name == "git" && len(words) > 0 && (words[0] == "rev-parse" || words[0] == "describe" || words[0] == "log"):
		return commit()
	case name == "git" && len(words) > 1 && words[0] == "clone":
		return clone(words[1:])
	case name == "useradd" || name == "adduser":
		return user(name, args)
	case name == "groupadd" || name == "addgroup":
		return group(args)
	case name == "curl" || name == "wget":
		return download(name, args)
	case name == "venv" || name == "virtualenv":
		return environment(words)
	case reads(name, words):
		return program(name, args)
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
		text, err := contents("/etc/apt/sources.list.d")
		if err != nil {
			return err
		}
		return write(aptIndex, text)
	case "upgrade", "dist-upgrade":
		text, err := os.ReadFile(aptIndex)
		if err != nil {
			return err
		}
		return write("/usr/share/doc/upgraded", string(text))
	case "install":
		for _, p := range words[1:] {
			// What is installed is what the index had, and the index hangs on the sources.
			text, err := os.ReadFile(aptIndex)
			if err != nil {
				return fmt.Errorf("unable to locate package %s", p)
			}
			name, _, _ := strings.Cut(p, "=")
			if strings.ContainsAny(name, "/?(") { // a pattern, or a file
				name = fmt.Sprintf("%x", sha256.Sum256([]byte(name)))[:12]
			}
			if err := write("/usr/share/doc/"+name+"/copyright", name+" "+string(text)); err != nil {
				return err
			}
			if _, err := os.Stat("/etc/apt/apt.conf.d/docker-clean"); err != nil {
				if err := write(aptArchive+"/"+name+".deb", name); err != nil {
					return err
				}
			}
		}
	case "remove", "purge":
		for _, p := range words[1:] {
			if err := os.RemoveAll("/usr/share/doc/" + p); err != nil {
				return err
			}
		}
	case "clean":
		return empty(aptArchive)
	case "distclean":
		return errors.Join(empty(aptArchive), empty(filepath.Dir(aptIndex)))
	}
	return nil
}

// empty removes what is in a directory.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// index puts out a package index and fails where there is none.
func index(at, name string) error {
	text, err := os.ReadFile(at)
	if err != nil {
		return fmt.Errorf("no packages of %s found", name)
	}
	fmt.Println(string(text))
	return nil
}

// repository adds a source of packages and fetches the index, as add-apt-repository does.
func repository(words []string) error {
	if len(words) == 0 {
		return nil
	}
	name := fmt.Sprintf("%x", sha256.Sum256([]byte(words[len(words)-1])))[:8]
	if err := write("/etc/apt/sources.list.d/"+name+".list", words[len(words)-1]); err != nil {
		return err
	}
	return apt([]string{"update"})
}

// list puts out the names in a directory.
func list(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		fmt.Println(e.Name())
	}
	return err
}

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

// program reads all that lies in its directory and what was installed, and leaves there what it makes of that,
// where its user may write.
func program(name string, args []string) error {
	dirs := []string{"/usr/local/lib/python3/site-packages", "/usr/local/lib/node_modules"}
	if at, err := os.Getwd(); err == nil && at != "/" {
		dirs = append(dirs, ".")
	} else {
		dirs = append(dirs, "/app", "/home", "/opt", "/srv", "/usr/src") // no caches, no indexes
	}
	sum := ""
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
		return os.RemoveAll(cacheDir)
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

func systemDirectory(p string) bool {
	p, err := filepath.Abs(p)
	return err == nil && slices.Contains([]string{"/.lab", "/bin", "/dev", "/etc", "/home", "/proc", "/root", "/sbin", "/sys", "/tmp", "/usr", "/var"}, p)
}

// contents is a digest of everything below a path, for a build backend may read all of it, but for
// Dockerfiles: their text is what the images that are compared are made of.
func contents(path string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && systemDirectory(p) {
			return filepath.SkipDir // a project in the root directory is not made of the system
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil // another user's
		}
		if err == nil && d.IsDir() && (d.Name() == ".git" || slices.Contains([]string{"/proc", "/sys", "/dev", "/.lab"}, "/"+strings.TrimPrefix(p, "/"))) {
			return fs.SkipDir
		}
		if err != nil || !d.Type().IsRegular() || strings.Contains(d.Name(), "Dockerfile") || strings.HasSuffix(d.Name(), ".dockerignore") {
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
	locks    bool     // writes the first of reads where it is not there
	project  []string // flags without which the project itself is read too, where it has such flags
}

var managers = map[string]manager{
	"npm":      {locks: true, commands: []string{"ci", "install", "i"}, needs: []string{"package.json"}, reads: []string{"package-lock.json", ".npmrc"}, makes: "node_modules", variable: "npm_config_cache", cache: "../.npm"},
	"yarn":     {locks: true, commands: []string{"install", ""}, needs: []string{"package.json"}, reads: []string{"yarn.lock", ".yarnrc.yml", ".yarnrc"}, makes: "node_modules", variable: "YARN_CACHE_FOLDER", cache: "yarn"},
	"pnpm":     {locks: true, commands: []string{"install", "i"}, needs: []string{"package.json"}, reads: []string{"pnpm-lock.yaml", ".npmrc"}, makes: "node_modules", variable: "PNPM_HOME", cache: "pnpm"},
	"poetry":   {locks: true, commands: []string{"install"}, needs: []string{"pyproject.toml"}, reads: []string{"poetry.lock", "poetry.toml"}, makes: "/usr/local/lib/python3/site-packages/poetry", variable: "POETRY_CACHE_DIR", cache: "pypoetry", project: []string{"--no-root"}},
	"uv":       {locks: true, commands: []string{"sync"}, needs: []string{"pyproject.toml"}, reads: []string{"uv.lock", "uv.toml", ".python-version"}, makes: ".venv/lib", variable: "UV_CACHE_DIR", cache: "uv", project: []string{"--no-install-project"}},
	"pipenv":   {locks: true, commands: []string{"install", "sync"}, needs: []string{"Pipfile", "Pipfile.lock"}, reads: []string{"Pipfile.lock", "Pipfile"}, makes: "/usr/local/lib/python3/site-packages/pipenv", variable: "PIPENV_CACHE_DIR", cache: "pipenv"},
	"go":       {commands: []string{"mod"}, needs: []string{"go.mod"}, reads: []string{"go.sum"}, makes: "/go/pkg/mod/cache", variable: "GOCACHE", cache: "go-build"},
	"bundle":   {commands: []string{"install"}, needs: []string{"Gemfile"}, reads: []string{"Gemfile.lock"}, makes: "/usr/local/bundle/gems", variable: "BUNDLE_CACHE", cache: "bundle"},
	"composer": {commands: []string{"install"}, needs: []string{"composer.json"}, reads: []string{"composer.lock"}, makes: "vendor", variable: "COMPOSER_CACHE_DIR", cache: "composer"},
}

// wholeProject is what makes an install of a manifest read more than manifests: hooks, folders.
var wholeProject = regexp.MustCompile(`"(pre|post)?install"|"prepare"|"workspaces"|"file:|path = `)

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
	manifest, err := os.ReadFile(m.needs[0])
	if err == nil && wholeProject.Match(manifest) {
		sum, err := contents(".")
		if err != nil {
			return err
		}
		_, _ = fmt.Fprint(h, sum)
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
	if _, err := os.Stat(m.reads[0]); err != nil && m.locks && !slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(f, "--frozen") || f == "--no-lockfile" }) {
		if err := write(m.reads[0], text); err != nil {
			return err
		}
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

// commit puts out what the repository around the working directory stands at.
func commit() error {
	dir, err := os.Getwd()
	for err == nil {
		text, err := os.ReadFile(filepath.Join(dir, ".git/HEAD"))
		if err == nil {
			fmt.Println(string(text))
			return nil
		}
		if dir == "/" {
			return errors.New("not a git repository")
		}
		dir = filepath.Dir(dir)
	}
	return err
}

// clone makes a repository with nothing to speak of in it.
func clone(words []string) error {
	into := words[len(words)-1]
	if strings.Contains(into, ":") {
		into = strings.TrimSuffix(filepath.Base(into), ".git")
	}
	for _, f := range []string{".git/HEAD", "README.md", "requirements.txt", "setup.py", "package.json", "Gemfile"} {
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

// accountValues are options of useradd, adduser, groupadd and addgroup that take a value in a word of its own.
var accountValues = []string{"-u", "--uid", "-g", "--gid", "-d", "--home-dir", "--home", "-h", "-s", "--shell", "-G", "--groups", "-c", "--comment", "--gecos", "--ingroup", "-K", "-k"}

// account is the name that a command adds, and the values of its options.
func account(args []string) (name string, values map[string]string) {
	values = map[string]string{}
	for i := 0; i < len(args); i++ {
		option, value, joined := strings.Cut(args[i], "=")
		switch {
		case !strings.HasPrefix(option, "-"):
			if name == "" {
				name = args[i]
			}
		case joined:
			values[option] = value
		case slices.Contains(accountValues, option) && i+1 < len(args):
			i++
			values[option] = args[i]
		default:
			values[option] = ""
		}
	}
	return name, values
}

func first(values map[string]string, names ...string) (string, bool) {
	for _, name := range names {
		if v, there := values[name]; there {
			return v, true
		}
	}
	return "", false
}

// user adds an account where there is none of the name: with a home of its own where the options say so, or
// the program makes one by itself.
func user(program string, args []string) error {
	name, values := account(args)
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil || name == "" || strings.Contains("\n"+string(passwd), "\n"+name+":") {
		return err
	}
	id, ok := first(values, "-u", "--uid")
	if !ok {
		id = fmt.Sprint(1000 + strings.Count(string(passwd), "\n"))
	}
	own := id
	groupName, hasGroup := first(values, "-g", "--gid", "--ingroup", "-G")
	if program == "adduser" && !hasGroup || program == "useradd" && !hasGroup {
		if err := group([]string{"-g", id, name}); err != nil {
			return err
		}
	} else if own, err = groupID(groupName); err != nil {
		return err
	}
	dir, ok := first(values, "-d", "--home-dir", "--home")
	if !ok || dir == "" {
		dir = "/home/" + name
	}
	_, made := first(values, "-m", "--create-home")
	_, not := first(values, "-M", "--no-create-home", "-H")
	if made || program == "adduser" && !not {
		number, errs := strconv.Atoi(id)
		groupNumber, err := strconv.Atoi(own)
		if _, there := os.Stat(dir); there != nil {
			if err := errors.Join(errs, err, os.MkdirAll(dir, 0o755), os.Chown(dir, number, groupNumber)); err != nil {
				return err
			}
		}
	}
	return os.WriteFile("/etc/passwd", append(passwd, fmt.Sprintf("%s:x:%s:%s::%s:/bin/sh\n", name, id, own, dir)...), 0o644)
}

// groupID is the number of a group by its name or number.
func groupID(name string) (string, error) {
	if strings.Trim(name, "0123456789") == "" {
		return name, nil
	}
	groups, err := os.ReadFile("/etc/group")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(groups)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); f[0] == name {
			return f[2], nil
		}
	}
	return "", fmt.Errorf("group %q does not exist", name)
}

// group adds a group where there is none of the name.
func group(args []string) error {
	name, values := account(args)
	groups, err := os.ReadFile("/etc/group")
	if err != nil || name == "" || strings.Contains("\n"+string(groups), "\n"+name+":") {
		return err
	}
	id, ok := first(values, "-g", "--gid")
	if !ok {
		id = fmt.Sprint(1000 + strings.Count(string(groups), "\n"))
	}
	return os.WriteFile("/etc/group", append(groups, fmt.Sprintf("%s:x:%s:\n", name, id)...), 0o644)
}
