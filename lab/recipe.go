package lab

import (
	"fmt"
	gopath "path"
	"regexp"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
)

// recipe is a Dockerfile that people could have written, and the tree that it is built from. It is made of
// what suggestions are about (installs below copies, indexes, caches, removals, owners, arguments), and of
// what such suggestions may break beside it: other users and directories, commands that read what an edit
// moves or takes away, copies across stages.
type recipe struct {
	Random
	tree   Tree
	number int // makes the contents of its files its own
	stages []*cook
	args   []string // whose values change with each build
	path   string   // of the Dockerfile
	folder string   // that is the build context; "." for the whole tree
	about  string   // what the case has more of than others; "" for nothing
}

// subjects are what cases may be about, so that what is rare by itself is tried too.
var subjects = []string{"", "", "", "", "", "idle mounts", "owners", "owners", "late removals", "late removals", "uv", "poetry", "node", "other languages", "pins", "stages", "stages", "users", "homes", "homes"}

// recipeBases are images of which hitrate knows that they run as root.
var recipeBases = []string{"python:3.12", "python:3.12-slim", "debian:12", "ubuntu:24.04", "node:22", "python:3.11-slim-bookworm", "python:3.12-alpine", "golang:1.23", "ruby:3.3-slim", "php:8.3-cli"}

// usualBases are those of most cases: the others are for other languages.
var usualBases = recipeBases[:7]

// unknownBase is an image that hitrate knows nothing of: it runs as a user of its own in a directory of its own,
// and has indexes, caches and the project's directories already.
const unknownBase = "registry.example/team/base:1"

// toolImage is an image that a COPY takes a program of.
const toolImage = "ghcr.io/astral-sh/uv:0.5"

// cook writes one stage.
type cook struct {
	*recipe
	name, base string
	debian     bool // has apt, else apk
	lines      []string
	workdir    string
	user       string // "" for root
	users      []string
	dest       string // of the COPY of the source; "" before
	copied     bool   // dest or the folder of a manifest is there
	full       bool   // all of the source is in dest
	variable   string // what $APP_HOME is; "" where there is none
	calm       bool   // few things stand in the way of suggestions
}

// recipe makes the case of a number.
func (r Random) recipe(number int) (Tree, []string) {
	c := &recipe{Random: r, tree: Tree{}, number: number, path: "Dockerfile", folder: ".", about: pick(r, subjects...)}
	if c.chance(12) {
		c.path = pick(r, "docker/Dockerfile", "app.Dockerfile", "Dockerfile.app")
	}
	c.files()
	count := pick(r, 1, 1, 1, 1, 1, 1, 2, 2, 3)
	if c.about == "stages" {
		count = pick(r, 2, 2, 3, 4)
	}
	for i := range count {
		s := &cook{recipe: c, name: fmt.Sprintf("s%d", i), base: c.base(), workdir: "/"}
		s.debian = !strings.HasSuffix(s.base, "alpine")
		if s.base == unknownBase {
			s.user, s.users, s.workdir = "app", []string{"app"}, "/home/app"
		}
		if i > 0 && r.IntN(4) == 0 {
			p := c.stages[r.IntN(i)]
			s.base, s.debian, s.workdir, s.user, s.users, s.dest, s.copied, s.full = p.name, p.debian, p.workdir, p.user, slices.Clone(p.users), p.dest, p.copied, p.full
			s.variable = p.variable
		}
		c.stages = append(c.stages, s)
		s.write(i == count-1)
	}
	c.ignoreFile()
	c.tree[c.path] = File{Data: c.text()}
	if c.chance(8) {
		c.below(pick(r, "api", "services/api"))
	}
	c.workflow()
	if c.chance(15) {
		c.put(config.RepositoryPath, "version: 1\nrules:\n  pip-cache-kept: {prefer: "+pick(r, "no-cache-dir", "cache-mount")+"}\n  apt-lists-kept: {prefer: "+pick(r, "removal", "cache-mount")+"}\n")
	}
	return c.tree, c.args
}

// below moves all files into a folder, which is then the build context.
func (c *recipe) below(folder string) {
	moved := Tree{}
	for p, f := range c.tree {
		moved[gopath.Join(folder, p)] = f
	}
	c.tree, c.path, c.folder = moved, gopath.Join(folder, c.path), folder
}

// base is the image of a stage.
func (c *recipe) base() string {
	switch {
	case c.chance(7), c.about == "homes" && c.chance(50):
		return unknownBase
	case c.about == "node" && c.chance(70):
		return "node:22"
	case c.about == "other languages":
		return pick(c.Random, recipeBases...)
	}
	return pick(c.Random, usualBases...)
}

func (c *recipe) chance(percent int) bool { return c.IntN(100) < percent }

func (c *recipe) put(name, text string) { c.tree[name] = File{Data: text} }

func (c *recipe) text() string {
	var b strings.Builder
	if c.chance(15) {
		b.WriteString("# syntax=docker/dockerfile:1\n")
	}
	if len(c.args) > 0 && c.chance(15) {
		b.WriteString("ARG " + pick(c.Random, c.args...) + "=global\n")
	}
	tagged := false
	if c.chance(4) || c.about == "homes" && c.chance(20) {
		_, _ = fmt.Fprintf(&b, "ARG BASE=%s\nFROM ${BASE} AS %s\n", c.stages[0].base, c.stages[0].name)
		tagged = true
	} else if name, tag, found := strings.Cut(c.stages[0].base, ":"); found && c.chance(8) {
		_, _ = fmt.Fprintf(&b, "ARG TAG=%s\nFROM %s:${TAG} AS %s\n", tag, name, c.stages[0].name)
		tagged = true
	}
	for i, s := range c.stages {
		if i > 0 || !tagged {
			_, _ = fmt.Fprintf(&b, "FROM %s AS %s\n", s.base, s.name)
		}
		for _, l := range s.lines {
			b.WriteString(l + "\n")
			if c.chance(6) {
				b.WriteString(pick(c.Random, "\n", "# and then\n", "\n# next\n"))
			}
		}
		if c.chance(50) {
			b.WriteString("\n")
		}
	}
	text := b.String()
	switch c.IntN(30) {
	case 0:
		text = "# escape=`\n" + strings.ReplaceAll(text, "\\\n", "`\n")
	case 1:
		text = strings.ReplaceAll(text, "\\\n", "\\  \n")
	case 2:
		text = keyword.ReplaceAllStringFunc(text, strings.ToLower)
	case 3:
		text = keyword.ReplaceAllString(text, "$1   $2")
	case 4:
		text = keyword.ReplaceAllString(text, "  $1\t$2")
	}
	if c.chance(10) {
		text = strings.TrimRight(text, "\n")
	}
	if c.chance(4) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// keyword begins an instruction.
var keyword = regexp.MustCompile(`(?m)^(RUN|COPY|ADD|ENV|ARG|WORKDIR|USER|LABEL) ([^<]*?)`)

func (s *cook) add(lines ...string) { s.lines = append(s.lines, lines...) }

// write is one stage from first to last.
func (s *cook) write(last bool) {
	s.calm = s.chance(65)
	var opening []func()
	for _, o := range []struct {
		percent int
		do      func()
	}{
		{75, s.enter}, {25, s.environment}, {20, s.environment}, {8, s.setShell}, {35, s.account}, {20, s.volatile}, {8, s.label}, {8, s.settings},
	} {
		if s.chance(o.percent) && (!s.calm || s.chance(50)) {
			opening = append(opening, o.do)
		}
	}
	s.Shuffle(len(opening), func(i, j int) { opening[i], opening[j] = opening[j], opening[i] })
	for _, do := range opening {
		do()
	}
	system, source, install := s.system, s.source, s.install
	if s.calm && s.chance(30) {
		source = func() {
			s.source()
			s.own()
		}
	}
	if do := s.subject(); do != nil {
		if s.chance(50) {
			install = do
		} else {
			system = do
		}
	}
	steps := []func(){source}
	for range 1 + s.IntN(5)/4 {
		steps = append(steps, install)
	}
	for range pick(s.Random, 0, 1, 1, 2) + len(s.about)/max(len(s.about), 1) {
		steps = append(steps, system)
	}
	others := 1 + s.IntN(3)
	if s.calm {
		others = s.IntN(2)
	}
	for range others {
		steps = append(steps, pick(s.Random, s.reader, s.reader, s.enter, s.environment, s.account, s.volatile, s.become, s.extraCopy, s.extraCopy, s.make, s.make, s.change, s.own, s.own, s.clean, s.clean, s.fetch, s.acrossStages, s.use, s.sources, s.oddity))
	}
	if len(s.stages) > 1 {
		steps = append(steps, s.acrossStages)
	}
	s.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	if s.calm && s.chance(70) { // the source first
		steps = append([]func(){source}, steps[1:]...)
	}
	for _, do := range steps {
		do()
		if !s.calm && s.chance(10) {
			s.clean()
		}
	}
	for _, o := range []func(){s.own, s.reader, s.use} {
		if s.chance(20) {
			o()
		}
	}
	if last {
		if s.about == "stages" && s.chance(60) {
			s.acrossStages()
		}
		if s.chance(40) {
			s.become()
		}
		if s.chance(20) {
			s.add(pick(s.Random, "RUN touch ready || true", "RUN mkdir -p /tmp/x && touch /tmp/x/y", "RUN id -u > /tmp/who", "RUN stat -c \"%U %a\" . > /tmp/here"))
		}
		s.add(pick(s.Random, `CMD ["python", "app.py"]`, "EXPOSE 8000", `ENTRYPOINT ["./run.sh"]`, "HEALTHCHECK CMD true"))
	}
}
