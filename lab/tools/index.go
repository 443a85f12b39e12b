package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// versionsFile names projects and versions that the package index has, a line each, as the newest of them.
const versionsFile = "/.lab/versions"

// newest are the latest versions of other projects; of what is not named here either it is 3.0.
var newest = map[string]string{"flask": "3.0.3", "requests": "2.32.3", "numpy": "2.0.0", "six": "1.16.0", "pytest": "8.0.0", "gunicorn": "22.0.0"}

// named is a requirement by its name: extras, specifiers, and what follows these.
var named = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*((?:[=<>!~]=?=?\s*[^\s,;=<>!~]+\s*,?\s*)*)((?:;|\s--).*)?$`)

var (
	specifier  = regexp.MustCompile(`(===|==|~=|!=|>=|<=|>|<)\s*([^\s,]+)`)
	separators = regexp.MustCompile(`[-_.]+`)
)

// resolve is a requirement with the version that pip takes, of those that it and the constraints of its name
// allow: the newest. What names no project (a path, an address, an option) stays as it is.
func resolve(line string, constraints map[string]string) (string, error) {
	m := named.FindStringSubmatch(line)
	if m == nil || strings.HasSuffix(m[1], ".whl") {
		return line, nil
	}
	name := projectName(m[1])
	all := specifier.FindAllStringSubmatch(m[3]+","+constraints[name], -1)
	newestOf := func(versions []string) (newest string) {
		for _, v := range versions {
			if !slices.ContainsFunc(all, func(s []string) bool { return !admits(s[1], s[2], v) }) && (newest == "" || compare(v, newest) > 0) {
				newest = v
			}
		}
		return newest
	}
	version := newestOf(ofLockFiles(name))
	if version == "" {
		version = newestOf(ofIndex(name, all))
	}
	if version == "" {
		return "", fmt.Errorf("no matching distribution found for %s", line)
	}
	return strings.TrimSpace(name + m[2] + "==" + version + " " + strings.Join(strings.Fields(m[4]), " ")), nil
}

// ofIndex are the versions of a project that the package index has: some, and those that people name.
func ofIndex(name string, specifiers [][]string) []string {
	latest := newest[name]
	if latest == "" {
		latest = "3.0"
	}
	versions := []string{"0.9", "1.0", latest}
	for _, s := range specifiers {
		switch prefix, wild := strings.CutSuffix(s[2], ".*"); {
		case s[1] == ">":
			versions = append(versions, s[2]+".1")
		case s[1] != "!=" && s[1] != "<":
			versions = append(versions, prefix+map[bool]string{true: ".0"}[wild])
		}
	}
	return versions
}

// projectName is the name of a project as the package index has it.
func projectName(name string) string {
	return separators.ReplaceAllString(strings.ToLower(name), "-")
}

// ofLockFiles are the versions of a project that lock files name.
func ofLockFiles(name string) []string {
	text, err := os.ReadFile(versionsFile)
	if err != nil {
		return nil // there were no lock files
	}
	var versions []string
	for line := range strings.Lines(string(text)) {
		if project, version, _ := strings.Cut(strings.TrimSpace(line), " "); projectName(project) == name {
			versions = append(versions, version)
		}
	}
	return versions
}

// admits says whether one specifier lets a version through.
func admits(operator, of, version string) bool {
	prefix, wild := strings.CutSuffix(of, ".*")
	switch operator {
	case "==", "===":
		return wild && strings.HasPrefix(version+".", prefix+".") || !wild && compare(version, of) == 0
	case "!=":
		return !admits("==", of, version)
	case "~=":
		series, _, _ := strings.Cut(of, ".")
		if i := strings.LastIndexByte(of, '.'); i > 0 {
			series = of[:i]
		}
		return compare(version, of) >= 0 && strings.HasPrefix(version+".", series+".")
	case ">=":
		return compare(version, of) >= 0
	case "<=":
		return compare(version, of) <= 0
	case ">":
		return compare(version, of) > 0
	}
	return compare(version, of) < 0
}

// compare orders versions of numbers and dots.
func compare(a, b string) int {
	numbers := func(v string) []int {
		var out []int
		for part := range strings.SplitSeq(v, ".") {
			n, _ := strconv.Atoi(part)
			out = append(out, n)
		}
		for len(out) > 1 && out[len(out)-1] == 0 {
			out = out[:len(out)-1]
		}
		return out
	}
	return slices.Compare(numbers(a), numbers(b))
}
