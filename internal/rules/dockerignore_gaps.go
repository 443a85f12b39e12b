package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

var _ = register(&Rule{
	ID:       "dockerignore-gaps",
	Title:    "The ignore file lets through what git ignores",
	Severity: config.SeverityInfo,
	What: "A `COPY` or `ADD` takes the whole of a local build context, and its ignore file leaves in what the repository's `.gitignore` names as nobody's source: " +
		"byte code of Python (`__pycache__`), virtual environments (`.venv`, `venv`, `env`), `node_modules`, the caches of pytest, mypy, Ruff, tox and nox, and `.env`.",
	Why: "These are in no fresh checkout, so builds in CI do not see them. Where people build, they are there: each run of the code or its tests writes byte code and caches, and the COPY and all steps below it run again, though no source has changed. " +
		"A virtual environment or `node_modules` goes along with hundreds of megabytes made for another system, over what the image has installed itself. `.env` puts its secrets into a layer of the image.\n\n" +
		"A pattern of `.dockerignore` holds from the root of the context: `__pycache__` leaves out the one directory there, `**/__pycache__` leaves out all. `.gitignore` means all of them by the first.",
	Not: "What `.gitignore` does not name, what git knows files of, byte code where the context has no Python, `node_modules` where nothing has a `package.json`, caches of tools that the repository shows no sign of, `.env` where a command names it, Git contexts, COPYs of single directories. " +
		"`build`, `dist` and files of settings that git ignores are left alone: they are often made for the image. Where no ignore file applies, missing-dockerignore speaks.",
	Sources: []Source{
		{"Docker: .dockerignore files", "https://docs.docker.com/build/concepts/context/#dockerignore-files"},
		{"Docker: build cache invalidation", "https://docs.docker.com/build/cache/invalidation/"},
		{"Git: gitignore", "https://git-scm.com/docs/gitignore"},
	},
	Check: checkIgnoreGaps,
})

// gap is something that a repository ignores and an image does not need.
type gap struct {
	git     []string // its names in .gitignore
	name    string   // as it is told
	pattern string   // of .dockerignore
	// in says in which directories it lies: those with such a file; "" for the root of the context alone.
	in string
	// sign says what shows that it is made: a kind of file of kindOf, "" where .gitignore is enough.
	sign string
	// inside is a file in it, "" where it is a file itself.
	inside string
}

// gaps are those that are looked for. What a program needs though git ignores it (settings, what is built before
// the image) is none.
var gaps = []gap{
	{git: []string{"__pycache__", "*.pyc", "*.py[cod]", "*.py[co]"}, name: "__pycache__", pattern: "**/__pycache__", in: "python", sign: "python", inside: "module.cpython-313.pyc"},
	{git: []string{".venv"}, name: ".venv", pattern: ".venv", sign: "python", inside: "bin/python"},
	{git: []string{"venv"}, name: "venv", pattern: "venv", sign: "python", inside: "bin/python"},
	{git: []string{"env"}, name: "env", pattern: "env", sign: "python", inside: "bin/python"},
	{git: []string{"node_modules"}, name: "node_modules", pattern: "**/node_modules", in: "npm", sign: "npm", inside: "left-pad/index.js"},
	{git: []string{".pytest_cache"}, name: ".pytest_cache", pattern: "**/.pytest_cache", sign: "pytest", inside: "v/cache/lastfailed"},
	{git: []string{".mypy_cache"}, name: ".mypy_cache", pattern: "**/.mypy_cache", sign: "mypy", inside: "3.13/cache.json"},
	{git: []string{".ruff_cache"}, name: ".ruff_cache", pattern: "**/.ruff_cache", sign: "ruff", inside: "0.9.0/1"},
	{git: []string{".tox"}, name: ".tox", pattern: ".tox", sign: "tox", inside: "py313/bin/python"},
	{git: []string{".nox"}, name: ".nox", pattern: ".nox", sign: "nox", inside: "tests/bin/python"},
	{git: []string{".env"}, name: ".env", pattern: ".env"},
}

var signNames = map[string]string{
	"package.json": "npm", "pytest.ini": "pytest", "conftest.py": "pytest", "mypy.ini": "mypy", ".mypy.ini": "mypy",
	"ruff.toml": "ruff", ".ruff.toml": "ruff", "tox.ini": "tox", "noxfile.py": "nox",
}

// signsOf are what a file shows by its name.
func signsOf(base string) (python bool, tool string) {
	python = strings.HasSuffix(base, ".py")
	if tool = signNames[base]; tool == "" && python && strings.HasPrefix(base, "test_") {
		tool = "pytest"
	}
	return python, tool
}

// maxPlaces is how many directories of a kind are tried.
const maxPlaces = 200

// seen is what the files of a context show of gaps.
type seen struct {
	committed map[string]bool     // names of gaps that are in the context
	signs     map[string]bool     // what tools are used
	places    map[string][]string // directories by kind, up to maxPlaces of each
}

// see looks at the context once.
func (p *Pass) see() seen {
	s := seen{committed: map[string]bool{}, signs: map[string]bool{"": true}, places: map[string][]string{"": {""}}}
	names := map[string]bool{}
	for _, g := range gaps {
		names[g.name] = true
	}
	add := func(kind, dir string) {
		s.signs[kind] = true
		if list := s.places[kind]; len(list) < maxPlaces && (len(list) == 0 || list[len(list)-1] != dir) {
			s.places[kind] = append(list, dir)
		}
	}
	for _, e := range p.Context.Tree.Entries {
		rest := e.Path
		for {
			part, after, more := strings.Cut(rest, "/")
			if names[part] {
				s.committed[part] = true
			}
			if !more {
				break
			}
			rest = after
		}
		python, tool := signsOf(rest)
		dir := strings.TrimSuffix(e.Path[:len(e.Path)-len(rest)], "/")
		if python {
			add("python", dir)
		}
		if tool != "" {
			add(tool, dir)
		}
	}
	return s
}

func checkIgnoreGaps(p *Pass) {
	if p.Context == nil || p.Context.IgnoreFile == "" || p.Context.Build.Kind != buildcontext.Local || p.Read == nil ||
		slices.ContainsFunc(p.Builds, func(b buildcontext.Build) bool { return b.Kind == buildcontext.Git }) {
		return
	}
	if c := p.wholeCopy(); c != nil {
		p.reportGaps(c)
	}
}

func (p *Pass) reportGaps(c *copied) {
	file, err := p.Read(p.Context.IgnoreFile)
	if err != nil || p.excluded(p.Context.IgnoreFile) {
		return
	}
	var names, lines []string
	secret, rootOnly := false, false
	for _, g := range p.openGaps(strings.Contains(string(file.Data), "!")) {
		names, lines = append(names, g.name), append(lines, g.pattern)
		secret = secret || g.name == ".env"
		rootOnly = rootOnly || strings.HasPrefix(g.pattern, "**/") && p.Context.Ignored(path.Join(g.name, g.inside))
	}
	if len(names) == 0 {
		return
	}
	name := code(path.Base(p.Context.IgnoreFile))
	where, runs := " takes them where they exist", "each change in them runs this step and those below it again"
	if len(names) == 1 {
		where, runs = " takes it where it exists", "each change in it runs this step and those below it again"
	}
	why := say(code(p.textOf(c.in.Span)), " (", code(p.File.Source.Path), ", line ", p.line(c.in), ")", where, ", as on a developer's machine: ", runs)
	if secret {
		why = say(why, ", and the secrets of ", code(".env"), " are in a layer of the image")
	}
	var advice []any
	for i, line := range lines {
		if i > 0 {
			advice = append(advice, ", ")
		}
		advice = append(advice, code(line))
	}
	if rootOnly {
		advice = append(advice, " (without ", code("**/"), " a pattern holds at the root alone)")
	}
	title := say(name, " lets through what git ignores: ", list(names), ".")
	p.add(Finding{
		Path: p.Context.IgnoreFile, Span: lastLine(file), Subject: "ignored by git",
		Related: []Place{p.place(c.in)},
		Title:   title, Here: title, Why: say(why, "."),
		Advice: say("Add to ", name, ": ", say(advice...), "."),
		Done:   say(name, " now leaves out what git ignores."),
	})
}

// openGaps are the gaps through which something could go along: .gitignore names it, and the ignore file that
// applies, if one does, does not leave it out. Both the rule and the ignore file that another rule writes
// go by them. exceptions says that the ignore file takes something back.
func (p *Pass) openGaps(exceptions bool) []gap {
	if p.Read == nil {
		return nil
	}
	ignored := p.gitIgnored()
	wanted := slices.DeleteFunc(slices.Clone(gaps), func(g gap) bool {
		return !slices.ContainsFunc(g.git, func(name string) bool { return ignored[name] }) || !exceptions && p.everywhere(g)
	})
	if len(wanted) == 0 {
		return nil
	}
	found := p.see()
	return slices.DeleteFunc(wanted, func(g gap) bool { return !p.letsThrough(g, found) })
}

// everywhere says whether the ignore file leaves something out in every directory, if it has no exceptions.
func (p *Pass) everywhere(g gap) bool {
	dir := ""
	if g.in != "" {
		dir = "any/where"
	}
	return p.Context.Ignored(path.Join(dir, g.name, g.inside))
}

// letsThrough says whether something could go along: the ignore file does not leave it out, git knows no file
// of it, no COPY names it, and the repository shows that it is made.
func (p *Pass) letsThrough(g gap, s seen) bool {
	if s.committed[g.name] || !s.signs[g.sign] {
		return false // what is committed is meant to be there
	}
	for _, in := range p.File.Instructions {
		// What a command names as well is most often made by it (a virtual environment); .env is not.
		if NamesPath(in, g.name) || g.name == ".env" && p.wordsName(in, g.name) {
			return false
		}
	}
	return slices.ContainsFunc(s.places[g.in], func(dir string) bool {
		return !p.Context.Ignored(path.Join(dir, g.name, g.inside))
	})
}

// gitIgnored are the plain names that the .gitignore files from the root of the repository down to the context
// leave out, wherever they lie below; those that a later line takes back are none.
func (p *Pass) gitIgnored() map[string]bool {
	out := map[string]bool{}
	dirs := []string{""}
	if !p.root() {
		for i, part := range strings.Split(p.Context.Build.Context, "/") {
			dirs = append(dirs, path.Join(dirs[i], part))
		}
	}
	for i, dir := range dirs {
		file, err := p.Read(path.Join(dir, ".gitignore"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(file.Data)) {
			line = strings.TrimRight(line, " \t\r\n")
			name, back := strings.CutPrefix(line, "!")
			name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "/**"), "/*"), "/")
			rooted := strings.HasPrefix(name, "/")
			name = strings.TrimPrefix(strings.TrimPrefix(name, "/"), "**/")
			if name == "" || strings.HasPrefix(name, "#") || strings.Contains(name, "/") || rooted && i < len(dirs)-1 {
				continue
			}
			out[name] = !back
		}
	}
	return out
}
