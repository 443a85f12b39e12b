// Command tools stands for the package managers of a base image, under their names: apt-get, apk,
// pip, poetry, npm and their like. It leaves what they leave, where they leave it: indexes, packages,
// caches of the user that it runs as, and an installation that is made of the texts of the manifests
// that were read. What they could not do (install from an index that is not there, read a manifest
// that is not there) fails. Under any other name it succeeds and does nothing.
package main

import (
	"errors"
	"fmt"
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
	case name == "printenv":
		return variable(words)
	case name == "update-ca-certificates":
		return certificates()
	case name == "install":
		return directories(args)
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
	case name == "tar" || name == "unzip":
		return unpack(name, args)
	case slices.Contains([]string{"md5sum", "sha1sum", "sha256sum", "sha512sum"}, name):
		return checksum(name, args)
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

// variable puts out one of the environment, and fails where it is not there; without a name all of them.
func variable(words []string) error {
	if len(words) == 0 {
		fmt.Println(strings.Join(os.Environ(), "\n"))
		return nil
	}
	value, there := os.LookupEnv(words[0])
	if !there {
		return fmt.Errorf("%s is not set", words[0])
	}
	fmt.Println(value)
	return nil
}

// directories is "install -d": it makes directories and gives them to a user.
func directories(args []string) error {
	if !slices.Contains(args, "-d") {
		return nil
	}
	owner := -1
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-o" && i+1 < len(args):
			i++
			id, err := strconv.Atoi(args[i])
			if err != nil {
				return fmt.Errorf("invalid user %s", args[i])
			}
			owner = id
		case strings.HasPrefix(args[i], "-"):
		default:
			if err := errors.Join(os.MkdirAll(args[i], 0o755), os.Chown(args[i], owner, -1)); err != nil {
				return err
			}
		}
	}
	return nil
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
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

// wordBehind is the word behind one of the words, which it passes over; "" for the last.
func wordBehind(words []string, at *int) string {
	if *at+1 == len(words) {
		return ""
	}
	*at++
	return words[*at]
}
