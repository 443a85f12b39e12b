package buildcontext

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// What the guess looks at: sources of a Dockerfile, and directories above it.
const (
	maxSources = 200
	maxLevels  = 10
)

// Guess is the build of a Dockerfile about which nothing is written: the repository root or the
// Dockerfile's own directory, by where its COPY and ADD sources (and bind mounts) exist; a directory
// between them where that has more of them than both. Where as many exist in root and directory, the
// files that its commands name decide likewise, then whether the directory holds anything but what belongs to
// the build. A Dockerfile that takes nothing has its own directory.
func Guess(tree Tree, file *dockerfile.File) Build {
	own := path.Dir(clean(file.Source.Path))
	b := Build{Dockerfile: file.Source.Path, Kind: Local, Context: own, Origin: "guessed: the Dockerfile's own directory"}
	taken := takenFromContext(file)
	if own == "." || len(taken.sources) == 0 && !taken.whole {
		return b
	}
	here := tree.sub(own)
	if between := bestBetween(tree, own, taken.sources, max(existing(tree, taken.sources), existing(here, taken.sources))); between != "" {
		b.Origin = "guessed from where COPY sources exist"
		b.Context = between
		return b
	}
	if n, m := existing(tree, taken.sources), existing(here, taken.sources); n != m {
		b.Origin = "guessed from where COPY sources exist"
		if n > m {
			b.Context = "."
		}
		b.Certain = n < m && m == len(taken.sources)
		return b
	}
	if between := bestBetween(tree, own, taken.used, max(existing(tree, taken.used), existing(here, taken.used))); between != "" {
		b.Origin = "guessed from where the files exist that its commands name"
		b.Context = between
		return b
	}
	if n, m := existing(tree, taken.used), existing(here, taken.used); n != m {
		b.Origin = "guessed from where the files exist that its commands name"
		if n > m {
			b.Context = "."
		}
		b.Certain = n < m && existing(here, taken.sources) == len(taken.sources)
		return b
	}
	if taken.whole && !slices.ContainsFunc(here.Entries, func(e Entry) bool { return !belongsToBuild(e.Path) }) {
		b.Context = "."
		b.Origin = "guessed: the Dockerfile's own directory holds nothing to build"
	}
	return b
}

// Stale says whether a build that something in the repository shows is no longer the Dockerfile's, as where that
// was moved and a compose file beside it was not changed: the directory has nothing of what the Dockerfile takes
// from its context, and the one that would be guessed has all of it.
func Stale(tree Tree, file *dockerfile.File, b Build) bool {
	if b.Kind != Local || len(b.Made) > 0 {
		return false
	}
	sources := takenFromContext(file).sources
	if len(sources) == 0 || existing(tree.sub(clean(b.Context)), sources) > 0 {
		return false
	}
	return existing(tree.sub(Guess(tree, file).Context), sources) == len(sources)
}

// bestBetween is the directory between a Dockerfile's own and the root that has most of the sources,
// and more than a number; "" for none. Of equals the nearest to the Dockerfile is meant.
func bestBetween(tree Tree, own string, sources []string, most int) string {
	best := ""
	dir := path.Dir(own)
	for level := 0; level < maxLevels && dir != "." && most < len(sources); level++ {
		if n := existing(tree.sub(dir), sources); n > most {
			best, most = dir, n
		}
		dir = path.Dir(dir)
	}
	return best
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

// taken is what a Dockerfile shows of the context that it is written for.
type taken struct {
	sources []string // paths that it copies or mounts
	whole   bool     // it takes a whole context, which every directory could be
	used    []string // paths of a context taken whole that commands name
}

// takenFromContext reads a Dockerfile for its context. What ONBUILD carries is for other contexts.
func takenFromContext(file *dockerfile.File) taken {
	var t taken
	states, err := file.States(nil)
	if err != nil {
		states = nil // directories are then taken for "/"
	}
	for _, stage := range file.Stages {
		var dests []string // where whole contexts go
		for _, i := range stage.Instructions {
			dir := path.Join("/", states[i].Workdir)
			in := func(dest string) string {
				if value, known := file.Expand(dest, states[i]); known {
					dest = value
				}
				return absolute(dir, dest)
			}
			switch cmd := i.Command.(type) {
			case *instructions.CopyCommand:
				if cmd.From == "" && t.add(cmd.SourcePaths...) {
					dests = append(dests, in(cmd.DestPath))
				}
			case *instructions.AddCommand:
				if t.add(slices.DeleteFunc(slices.Clone(cmd.SourcePaths), isRemote)...) {
					dests = append(dests, in(cmd.DestPath))
				}
			case *instructions.RunCommand:
				for _, m := range i.Run().Mounts {
					if m.Type == instructions.MountTypeBind && m.From == "" && t.add(m.Source) {
						dests = append(dests, in(m.Target))
					}
				}
				for _, c := range i.Run().Commands {
					for _, w := range c.Words {
						if w.Literal && (c.DirKnown || strings.HasPrefix(w.Value, "/")) {
							t.use(absolute(absolute(dir, c.Dir), w.Value), dests)
						}
					}
				}
			case *instructions.CmdCommand:
				t.start(dir, cmd.ShellDependantCmdLine, dests)
			case *instructions.EntrypointCommand:
				t.start(dir, cmd.ShellDependantCmdLine, dests)
			}
		}
	}
	return t
}

// add notes sources, and says whether one of them is the whole context. A source with a variable
// tells nothing.
func (t *taken) add(sources ...string) (whole bool) {
	for _, src := range sources {
		switch c := clean(src); {
		case c == "" || strings.Trim(c, "*") == "":
			whole = true
		case strings.Contains(src, "$") || len(t.sources) >= maxSources || slices.Contains(t.sources, src):
		default:
			t.sources = append(t.sources, src)
		}
	}
	t.whole = t.whole || whole
	return whole
}

// use notes a path in the image that lies where a whole context was copied to.
func (t *taken) use(p string, dests []string) {
	for _, dest := range dests {
		rel, below := strings.CutPrefix(p, strings.TrimSuffix(dest, "/")+"/")
		if below && rel != "" && len(t.used) < maxSources && !slices.Contains(t.used, rel) {
			t.used = append(t.used, rel)
		}
	}
}

// start notes the files that the image starts with.
func (t *taken) start(dir string, line instructions.ShellDependantCmdLine, dests []string) {
	if line.PrependShell {
		return
	}
	for _, word := range line.CmdLine {
		t.use(absolute(dir, word), dests)
	}
}

func absolute(dir, p string) string {
	if strings.HasPrefix(p, "/") {
		return path.Clean(p)
	}
	return path.Join("/", dir, p)
}

// isRemote says whether an ADD source comes over the network.
func isRemote(src string) bool {
	return strings.Contains(src, "://") || strings.HasPrefix(src, "git@")
}

// belongsToBuild says whether a file beside a Dockerfile is only there for a build: another
// Dockerfile, an ignore file, compose files, scripts, a read-me.
func belongsToBuild(p string) bool {
	name := strings.ToLower(path.Base(p))
	return strings.Contains(name, "dockerfile") || strings.Contains(name, "containerfile") ||
		strings.HasPrefix(name, ".") || strings.Contains(name, "compose") || strings.HasPrefix(name, "readme") ||
		strings.HasPrefix(name, "makefile") || slices.Contains([]string{".sh", ".env", ".conf", ".yml", ".yaml", ".md"}, path.Ext(name))
}
