package buildcontext

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// maxSources is how many sources of a Dockerfile the guess looks at.
const maxSources = 200

// Guess is the build of a Dockerfile about which nothing is written: the repository root or the
// Dockerfile's own directory, by where its COPY and ADD sources (and bind mounts) exist. Where as
// many exist in both, the files that its commands name decide, then whether the Dockerfile's
// directory holds anything but what belongs to the build.
func Guess(tree Tree, file *dockerfile.File) Build {
	name := file.Source.Path
	own := path.Dir(clean(name))
	b := Build{Dockerfile: name, Kind: Local, Context: own, Origin: "guessed: the Dockerfile's own directory"}
	if own == "." {
		return b
	}
	sources, broad := contextSources(file)
	if len(sources) == 0 && !broad {
		return b // it takes nothing from its context
	}
	here := tree.sub(own)
	if n, m := existing(tree, sources), existing(here, sources); n != m {
		b.Origin = "guessed from where COPY sources exist"
		if n > m {
			b.Context = "."
		}
		return b
	}
	if broad {
		words := commandPaths(file)
		if n, m := existing(tree, words), existing(here, words); n != m {
			b.Origin = "guessed from where the files exist that its commands name"
			if n > m {
				b.Context = "."
			}
			return b
		}
		if !slices.ContainsFunc(here.Entries, func(e Entry) bool { return !belongsToBuild(e.Path) }) {
			b.Context = "."
			b.Origin = "guessed: the Dockerfile's own directory holds nothing to build"
		}
	}
	return b
}

func existing(t Tree, sources []string) int {
	n := 0
	for _, src := range sources {
		if files, _ := t.match(src); len(files) > 0 {
			n++
		}
	}
	return n
}

// contextSources are the paths that a Dockerfile takes from its context. broad says that it also
// takes a whole context, which every directory could be.
func contextSources(file *dockerfile.File) (sources []string, broad bool) {
	add := func(src string) {
		switch c := clean(src); {
		case c == "" || strings.Trim(c, "*") == "":
			broad = true
		case strings.Contains(src, "$") || len(sources) >= maxSources || slices.Contains(sources, src):
		default:
			sources = append(sources, src)
		}
	}
	for _, i := range file.Instructions {
		if i.Trigger != nil {
			i = i.Trigger
		}
		switch cmd := i.Command.(type) {
		case *instructions.CopyCommand:
			if cmd.From == "" {
				for _, src := range cmd.SourcePaths {
					add(src)
				}
			}
		case *instructions.AddCommand:
			for _, src := range cmd.SourcePaths {
				if !isRemote(src) {
					add(src)
				}
			}
		case *instructions.RunCommand:
			for _, m := range instructions.GetMounts(cmd) {
				if m.Type == instructions.MountTypeBind && m.From == "" {
					add(m.Source)
				}
			}
		}
	}
	return sources, broad
}

// isRemote says whether an ADD source comes over the network.
func isRemote(src string) bool {
	return strings.Contains(src, "://") || strings.HasPrefix(src, "git@")
}

// commandPaths are the relative paths with an extension or a directory that the commands of RUN
// instructions name, as "pip install -r requirements/prod.txt" does.
func commandPaths(file *dockerfile.File) []string {
	var paths []string
	for _, i := range file.Instructions {
		run := i.Run()
		if run == nil {
			continue
		}
		for _, c := range run.Commands {
			for _, w := range c.Words[min(1, len(c.Words)):] {
				p := w.Value
				if !w.Literal || len(paths) >= maxSources || strings.HasPrefix(p, "/") || strings.HasPrefix(p, "-") ||
					strings.Contains(p, "://") || !strings.ContainsAny(p, "./") || clean(p) == "" || slices.Contains(paths, p) {
					continue
				}
				paths = append(paths, p)
			}
		}
	}
	return paths
}

// belongsToBuild says whether a file beside a Dockerfile is only there for a build: another
// Dockerfile, an ignore file, compose files, scripts, a read-me.
func belongsToBuild(p string) bool {
	name := strings.ToLower(path.Base(p))
	return strings.Contains(name, "dockerfile") || strings.Contains(name, "containerfile") ||
		strings.HasPrefix(name, ".") || strings.Contains(name, "compose") || strings.HasPrefix(name, "readme") ||
		strings.HasPrefix(name, "makefile") || slices.Contains([]string{".sh", ".env", ".conf", ".yml", ".yaml", ".md"}, path.Ext(name))
}
