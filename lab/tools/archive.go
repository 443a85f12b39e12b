package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

var (
	archive = regexp.MustCompile(`\.(tar|tgz|tar\.(gz|bz2|xz|zst)|zip)$|//codeload\.github\.com/`)
	// repositoryArchive is a repository at a commit, as GitHub packs it.
	repositoryArchive = regexp.MustCompile(`//(?:codeload\.)?github\.com/[^/]+/([^/]+)/(?:archive|tar\.gz|zip)/(?:refs/(?:tags|heads)/)?([^/]+)$`)
	versionWithV      = regexp.MustCompile(`^v[0-9]`)
)

// unpack makes what archives hold that were downloaded: of sources a directory of the archive's name, of a
// release also a program of the first word of it. Others, and those that are read for other ends, it leaves alone.
func unpack(name string, args []string) error {
	from, into, extracts, strip := "", ".", name == "unzip", false
	for i := 0; i < len(args); i++ {
		a := args[i]
		value := func() string { return wordBehind(args, &i) }
		long, joined, hasValue := strings.Cut(a, "=")
		cluster := strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") || i == 0 && name == "tar" && !strings.HasPrefix(a, "-")
		switch {
		case long == "--strip-components" || long == "--strip":
			strip = true
			if !hasValue {
				value()
			}
		case long == "--directory" && hasValue:
			into = joined
		case long == "--file" && hasValue:
			from = joined
		case a == "--directory", name == "tar" && a == "-C", name == "unzip" && a == "-d":
			into = value()
		case a == "--extract":
			extracts = true
		case a == "--file":
			from = value()
		case name == "tar" && cluster:
			extracts = extracts || strings.Contains(a, "x")
			if before, after, found := strings.Cut(strings.TrimPrefix(a, "-"), "f"); found && !strings.Contains(before, "C") {
				if from = after; after == "" {
					from = value()
				}
			}
			if strings.HasSuffix(a, "C") {
				into = value()
			}
		case name == "unzip" && !cluster && from == "":
			from = a
		}
	}
	if !extracts {
		return nil
	}
	if from == "" || from == "-" {
		from = "/dev/stdin"
	}
	text, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a program that does nothing here would have made it
	}
	if err != nil {
		return err
	}
	address, downloaded := strings.CutPrefix(strings.TrimSpace(string(text)), "# ")
	if !downloaded || strings.Contains(address, "\n") {
		return nil
	}
	if _, err := os.Stat(into); err != nil && name == "tar" {
		return err
	}
	top := archive.ReplaceAllString(filepath.Base(address), "")
	if m := repositoryArchive.FindStringSubmatch(address); m != nil {
		ref := archive.ReplaceAllString(m[2], "")
		if versionWithV.MatchString(ref) {
			ref = ref[1:]
		}
		top = m[1] + "-" + ref
	}
	if strip {
		top = ""
	}
	if program := strings.FieldsFunc(filepath.Base(address), func(r rune) bool { return strings.ContainsRune("-_.", r) }); strings.Contains(address, "/releases/download/") && len(program) > 0 && program[0] != top {
		if err := write(filepath.Join(into, program[0]), "# "+address+"\n"); err != nil {
			return err
		}
	}
	if err := programsBelow(into, address); err != nil {
		return err
	}
	for _, f := range projectFiles {
		if err := write(filepath.Join(into, top, f), ""); err != nil {
			return err
		}
	}
	if err := os.Symlink("/.lab/stub", filepath.Join(into, top, "configure")); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// unpackedFile names the paths of programs that the Dockerfile runs, or makes executable, a line each.
const unpackedFile = "/.lab/unpacked"

// programsBelow makes those of them that lie below a directory into which an archive is unpacked, and that are not
// there: what is run from there came with the archive. Below the root directory may lie what other commands bring.
func programsBelow(dir, address string) error {
	text, err := os.ReadFile(unpackedFile)
	if err != nil {
		return nil // there are none
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		path := strings.TrimSpace(line)
		if below, err := filepath.Rel(dir, path); dir == "/" || err != nil || !filepath.IsLocal(below) {
			continue
		}
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := errors.Join(write(path, "# "+address+"\n"), os.Chmod(path, 0o755)); err != nil {
			return err
		}
	}
	return nil
}

// checksum finds that each download is what it should be; it computes as busybox does.
func checksum(name string, args []string) error {
	for _, a := range args {
		if a == "--check" || strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && strings.Contains(a, "c") {
			return nil
		}
	}
	return syscall.Exec("/bin/busybox", append([]string{name}, args...), os.Environ())
}
