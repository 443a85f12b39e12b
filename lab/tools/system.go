package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

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
			if strings.Contains(p, "/") && strings.HasSuffix(p, ".deb") { // a package of the project's own
				own, err := os.ReadFile(p)
				if err != nil {
					return err
				}
				text = append(text, own...)
			}
			for _, dir := range []string{"/etc/apt/preferences.d", "/etc/apt/apt.conf.d"} {
				settings, err := contents(dir)
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
				text = append(text, settings...)
			}
			if p == "ca-certificates" {
				if err := certificates(); err != nil {
					return err
				}
			}
			name, _, _ := strings.Cut(p, "=")
			if strings.ContainsAny(name, "/?(") { // a pattern, or a file
				name = fmt.Sprintf("%x", sha256.Sum256([]byte(name)))[:12]
			}
			if err := write("/usr/share/doc/"+name+"/copyright", name+" "+string(text)); err != nil {
				return err
			}
			if err := bring(name); err != nil {
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

// certificates collects those of the system's directories, as the package does when it is installed.
func certificates() error {
	own, err := contents("/usr/local/share/ca-certificates")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return write("/etc/ssl/certs/ca-certificates.crt", own)
}

// packagePaths are what packages bring that Dockerfiles put files into or edit: directories, which end in a slash,
// and files.
var packagePaths = map[string][]string{
	"cron":       {"/etc/cron.d/", "/etc/cron.daily/"},
	"locales":    {"/etc/locale.gen"},
	"nginx":      {"/etc/nginx/conf.d/", "/var/lib/nginx/", "/var/log/nginx/"},
	"sudo":       {"/etc/sudoers.d/"},
	"supervisor": {"/etc/supervisor/conf.d/", "/var/log/supervisor/"},
}

// bring makes those of a package.
func bring(name string) error {
	for _, p := range packagePaths[name] {
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if _, err := os.Stat(p); errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(p, "/") {
			if err := write(p, ""); err != nil {
				return err
			}
		}
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
			if err := bring(p); err != nil {
				return err
			}
		}
	}
	return nil
}
