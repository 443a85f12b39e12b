package lab

import (
	"encoding/json"
	gopath "path"
	"regexp"
	"slices"
	"strings"
)

var (
	lockedName    = regexp.MustCompile(`(?m)^name = "([^"]+)"`)
	lockedVersion = regexp.MustCompile(`(?m)^version = "([^"]+)"`)
	lockedPin     = regexp.MustCompile(`(?m)^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?[ \t]*===?[ \t]*([^\s;#,\\]+)`)
)

// lockedVersions are the versions of projects that lock and constraints files name, those in the directories of the
// manifests that an install reads and above these: a line each, with the project's name and the version. For the
// packages that are installed here they are the newest that there are, as they were on the day of the lock file.
// They are read without the package that the rules read lock files with: what is compared would else agree with itself.
func lockedVersions(tree Tree, manifests []string) string {
	var files []string
	for _, m := range manifests {
		if stem, ok := strings.CutSuffix(m, ".in"); ok {
			files = append(files, stem+".txt")
		}
		for dir := gopath.Dir(m); ; dir = gopath.Dir(dir) {
			for _, name := range []string{"poetry.lock", "uv.lock", "pdm.lock", "Pipfile.lock", "constraints.txt"} {
				files = append(files, gopath.Join(dir, name))
			}
			if dir == "." || dir == "/" {
				break
			}
		}
	}
	var lines []string
	add := func(name, version string) { lines = append(lines, name+" "+version+"\n") }
	for _, p := range files {
		text := tree[p].Data
		switch {
		case gopath.Base(p) == "Pipfile.lock":
			var file map[string]json.RawMessage
			if json.Unmarshal([]byte(text), &file) != nil {
				continue
			}
			for _, section := range []string{"default", "develop"} {
				var projects map[string]struct {
					Version string `json:"version"`
				}
				if json.Unmarshal(file[section], &projects) != nil {
					continue
				}
				for name, project := range projects {
					if v, exact := strings.CutPrefix(project.Version, "=="); exact {
						add(name, v)
					}
				}
			}
		case strings.HasSuffix(p, ".lock"):
			for _, table := range strings.Split(text, "[[package]]")[1:] {
				name, version := lockedName.FindStringSubmatch(table), lockedVersion.FindStringSubmatch(table)
				if name != nil && version != nil {
					add(name[1], version[1])
				}
			}
		default:
			for _, m := range lockedPin.FindAllStringSubmatch(text, -1) {
				add(m[1], m[2])
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "")
}
