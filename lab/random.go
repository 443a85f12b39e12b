package lab

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// Random makes builds and changes them.
type Random struct {
	*rand.Rand
}

// scenario is a build in parts that can be changed one by one.
type scenario struct {
	tree   Tree
	ignore []string
	stages []stage
	args   map[string]string
}

type stage struct {
	base  string // "base", "other", or the name of an earlier stage
	name  string
	lines []string
}

func (s scenario) clone() scenario {
	s.tree = maps.Clone(s.tree)
	s.ignore = slices.Clone(s.ignore)
	s.stages = slices.Clone(s.stages)
	for i := range s.stages {
		s.stages[i].lines = slices.Clone(s.stages[i].lines)
	}
	s.args = maps.Clone(s.args)
	return s
}

func (s scenario) side() Side {
	tree := maps.Clone(s.tree)
	var b strings.Builder
	for _, st := range s.stages {
		fmt.Fprintf(&b, "FROM %s AS %s\nWORKDIR /d\n%s\n", st.base, st.name, strings.Join(st.lines, "\n"))
	}
	tree["Dockerfile"] = File{Data: b.String()}
	if len(s.ignore) > 0 {
		tree[".dockerignore"] = File{Data: strings.Join(s.ignore, "\n") + "\n"}
	}
	return Side{Tree: tree, Build: buildcontext.Build{Dockerfile: "Dockerfile", Context: ".", Kind: buildcontext.Local, Args: s.args}}
}

func pick[T any](r Random, list ...T) T { return list[r.IntN(len(list))] }

func (r Random) scenario() scenario {
	s := scenario{tree: Tree{"f": {Data: "0"}, "a/f": {Data: "0"}}, args: map[string]string{}}
	for range 4 + r.IntN(12) {
		r.file(s.tree)
	}
	for range r.IntN(3) {
		s.ignore = append(s.ignore, r.pattern())
	}
	for i := range 1 + r.IntN(3) {
		st := stage{base: pick(r, "base", "base", "other"), name: fmt.Sprintf("s%d", i)}
		if i > 0 && r.IntN(4) == 0 {
			st.base = fmt.Sprintf("s%d", r.IntN(i))
		}
		for range 2 + r.IntN(4) {
			st.lines = append(st.lines, r.line(s, i))
		}
		s.stages = append(s.stages, st)
	}
	return s
}

func (r Random) dir() string { return pick(r, "", "", "a", "a", "b", "a/b", "a/b/c", "c.d", "e") }

func (r Random) name() string {
	return pick(r, "f", "g.py", "h.md", ".dot", "f.py", "i.md", "Makefile")
}

func (r Random) data() string { return pick(r, "", "1", "2", "3\n") }

// file puts a file or a symlink where nothing is in the way.
func (r Random) file(t Tree) {
	p := filepath.Join(r.dir(), r.name())
	if r.IntN(8) == 0 {
		p = filepath.Join(r.dir(), pick(r, "l", "l.py", "m.md"))
		t[p] = File{Link: pick(r, "f", "../f", "a", "a/b", "/a/f", "b", "g.py", "../a", "a/f", "nowhere")}
		return
	}
	t[p] = File{Data: r.data(), Exec: r.IntN(6) == 0}
}

func (r Random) existing(t Tree) string {
	return pick(r, slices.Sorted(maps.Keys(t))...)
}

func (r Random) pattern() string {
	return pick(r, "*.md", "**/*.md", "a", "a/b", "a/*", "a/**", "b/*.py", "!a/b", "!**/f", "!a/f", "*", "**", "!b", "e", "**/.dot",
		".dockerignore", "Dockerfile", "c.*", "/a/b", "b/", "# comment", "!a/b/c/h.md", "**/c")
}

func (r Random) source(s scenario) string {
	p := r.existing(s.tree)
	switch r.IntN(10) {
	case 0, 1, 2:
		return p
	case 3, 4:
		if d := filepath.Dir(p); d != "." {
			return d
		}
		return p
	case 5:
		return pick(r, ".", ".", "./", "a/", "a/b")
	case 6:
		return pick(r, "*", "*.md", "a/*", "*/f", "**/f", "?", "[ab]", "a/b*", "*.py", "a/*.md", ".d*", "l*")
	default:
		return filepath.Join(filepath.Dir(p), "*"+filepath.Ext(p))
	}
}

// line is one instruction for the stage of a number.
func (r Random) line(s scenario, number int) string {
	switch n := r.IntN(20); {
	case n < 9:
		return r.copy(s)
	case n < 11 && number > 0:
		from := fmt.Sprintf("s%d", r.IntN(number))
		return pick(r, "COPY --from="+from+" /d /d/", "COPY --from="+from+" /d /e", "COPY --link --from="+from+" /d /g",
			"RUN --mount=from="+from+",source=/d,target=/m ls /m > /list || true", "RUN --mount=from="+from+",target=/m true")
	case n < 13:
		return pick(r, "RUN true", "RUN echo 1 > /d/r || true", "RUN ls -a /d > /d/list || true", "RUN  true", "RUN echo 2 > /d/r || true", "RUN echo $V > /d/v || true", "RUN date > /now || true")
	case n < 15:
		p := r.existing(s.tree)
		if r.IntN(2) == 0 {
			p = filepath.Dir(p)
		}
		return fmt.Sprintf("RUN --mount=source=%s,target=/m%s true", p, pick(r, "", ",rw"))
	case n < 16:
		return pick(r, "ENV V=1", "ENV V=2", "ENV W=$V", "ARG V", "ARG V=3", "ARG X=1")
	case n < 17:
		return pick(r, "WORKDIR /d", "WORKDIR x", "WORKDIR /d/", "USER app", "USER root", "LABEL a=b", "WORKDIR /")
	case n < 18:
		return pick(r, "COPY <<E /d/doc\n1\nE", "COPY <<E /d/doc\n2\nE", "RUN --mount=type=cache,target=/c true", "RUN --mount=type=cache,target=/c,mode=0700 true", "RUN --mount=type=tmpfs,target=/t true")
	default:
		return r.copy(s)
	}
}

func (r Random) copy(s scenario) string {
	words := []string{pick(r, "COPY", "COPY", "COPY", "COPY", "ADD")}
	sources := []string{r.source(s)}
	for r.IntN(4) == 0 {
		sources = append(sources, r.source(s))
	}
	if words[0] == "COPY" {
		if r.IntN(5) == 0 {
			words = append(words, "--parents")
			if r.IntN(3) == 0 {
				sources[0] = pick(r, "a/./b", "**/f", "**/*.md", "a/**", "./a/f", "a/./**/f")
			}
		}
		if r.IntN(6) == 0 {
			words = append(words, "--link")
		}
	}
	for r.IntN(5) == 0 {
		words = append(words, "--exclude="+pick(r, "*.md", "**/*.md", "b", "f", "*", "a/b", "**/f", "nothing"))
	}
	if r.IntN(8) == 0 {
		words = append(words, pick(r, "--chmod=755", "--chown=1000", "--chown=app", "--chmod=0644", "--chown=1000:1000"))
	}
	words = append(words, sources...)
	return strings.Join(append(words, pick(r, "/d/", "./", "/d/x/", "/e/")), " ")
}

// change makes one change, or a few.
func (r Random) change(s scenario) scenario {
	s = s.clone()
	for {
		r.changeOnce(&s)
		if r.IntN(5) > 0 {
			return s
		}
	}
}

func (r Random) changeOnce(s *scenario) {
	st := &s.stages[r.IntN(len(s.stages))]
	number := slices.IndexFunc(s.stages, func(o stage) bool { return o.name == st.name })
	switch n := r.IntN(20); {
	case n < 4:
		r.file(s.tree)
	case n < 7:
		p := r.existing(s.tree)
		f := s.tree[p]
		switch {
		case f.Link != "":
			f.Link = pick(r, "f", "../f", "a", "a/f", "/a/f")
		case r.IntN(3) == 0:
			f.Exec = !f.Exec
		default:
			f.Data = r.data()
		}
		s.tree[p] = f
	case n < 9:
		if p := r.existing(s.tree); len(s.tree) > 3 {
			delete(s.tree, p)
		}
	case n < 11:
		p, to := r.existing(s.tree), filepath.Join(r.dir(), r.name())
		f := s.tree[p]
		delete(s.tree, p)
		s.tree[to] = f
	case n < 13:
		if len(s.ignore) > 0 && r.IntN(2) == 0 {
			at := r.IntN(len(s.ignore))
			s.ignore = slices.Delete(s.ignore, at, at+1)
		} else {
			s.ignore = slices.Insert(s.ignore, r.IntN(len(s.ignore)+1), r.pattern())
		}
	case n < 15:
		st.lines[r.IntN(len(st.lines))] = r.line(*s, number)
	case n < 16:
		st.lines = slices.Insert(st.lines, r.IntN(len(st.lines)+1), r.line(*s, number))
	case n < 17:
		if len(st.lines) > 1 {
			at := r.IntN(len(st.lines))
			st.lines = slices.Delete(st.lines, at, at+1)
		}
	case n < 18:
		i, j := r.IntN(len(st.lines)), r.IntN(len(st.lines))
		st.lines[i], st.lines[j] = st.lines[j], st.lines[i]
	case n < 19:
		s.args["V"] = pick(r, "1", "2", "3")
	default:
		if number == 0 || !strings.HasPrefix(st.base, "s") {
			st.base = pick(r, "base", "other")
		}
	}
}
