package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"mvdan.cc/sh/v3/syntax"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// cacheKeys are the keys of a tool's settings files that say where its cache lies, whether it is kept, and
// what is linked into it or lies in it.
// Source: https://docs.astral.sh/uv/reference/settings/, https://python-poetry.org/docs/configuration/
var cacheKeys = map[string][]string{
	"uv":     {"cache-dir", "no-cache", "link-mode"},
	"poetry": {"cache-dir", "virtualenvs.path"},
}

// environmentKeys are those by which poetry puts its virtual environment elsewhere than into its cache, or makes
// none.
var environmentKeys = []string{"virtualenvs.create", "virtualenvs.in-project"}

// settingsSay says whether a settings file of an install's tool, which a COPY or mount brings to where the tool
// looks for it, has one of some keys.
func (p *Pass) settingsSay(lane []step, i int, install shelleffects.Install, keys []string) bool {
	state := p.states[lane[i].in]
	var files []string
	switch install.Tool {
	case "uv":
		if state.Env["UV_CONFIG_FILE"] != "" {
			return true
		}
		files = []string{"/etc/uv/uv.toml", "/root/.config/uv/uv.toml"}
		if dir := state.Env["XDG_CONFIG_HOME"]; path.IsAbs(dir) {
			files = append(files, path.Join(dir, "uv", "uv.toml"))
		}
		for dir := install.Dir; install.DirKnown; dir = path.Dir(dir) {
			files = append(files, path.Join(dir, "uv.toml"), path.Join(dir, "pyproject.toml"))
			if dir == "/" || dir == "." {
				break
			}
		}
	case "poetry":
		files = []string{"/root/.config/pypoetry/config.toml"}
		if install.DirKnown {
			files = append(files, path.Join(install.Dir, "poetry.toml"))
		}
	}
	return slices.ContainsFunc(files, func(image string) bool {
		at, found := p.locate(lane, i, image)
		if !found || at.file == "" || p.Read == nil {
			return false
		}
		file, err := p.Read(p.Context.RepoPath(at.file))
		if err != nil {
			return false
		}
		var settings map[string]any
		if _, err := toml.Decode(string(file.Data), &settings); err != nil {
			return true // not known
		}
		if path.Base(image) == "pyproject.toml" {
			settings = tableIn(tableIn(settings, "tool"), "uv")
		}
		return slices.ContainsFunc(keys, func(key string) bool {
			return setIn(settings, key) || install.Tool == "uv" && setIn(tableIn(settings, "pip"), key)
		})
	})
}

// setIn says whether a table, or a table in it, has a key, written with a dot, with a value that says something:
// of uv's ways to link only symbolic links need its cache later.
func setIn(table map[string]any, key string) bool {
	if first, rest, dotted := strings.Cut(key, "."); dotted {
		return setIn(tableIn(table, first), rest)
	}
	value := table[key]
	return value != nil && (key != "no-cache" || value != false) && (key != "link-mode" || value == "symlink")
}

func tableIn(table map[string]any, key string) map[string]any {
	t, _ := table[key].(map[string]any)
	return t
}

// configuresPoetry says whether a command tells poetry where its cache or its virtual environments lie.
func configuresPoetry(cmd *dockerfile.Command) bool {
	return cmd.Name == "poetry" && len(cmd.Words) > 2 && slices.ContainsFunc(cmd.Words, func(w dockerfile.Word) bool { return w.Value == "config" }) &&
		slices.ContainsFunc(cmd.Words, func(w dockerfile.Word) bool { return slices.Contains(cacheKeys["poetry"], w.Value) })
}

// cacheSetting is the name of a variable by which a tool finds its cache, or leaves it alone.
var cacheSetting = lazyregexp.New(`^(HOME|XDG_CACHE_HOME|(PIP|UV|POETRY|PYTHON)\w*)$`)

// SetsCacheInShell says whether a script, or one in its words, gives such a variable a value in other ways than
// for one command or by export: where it is in the environment already, as HOME always is, what runs later sees
// the new value.
// Source: POSIX, "Shell & Utilities", Shell Execution Environment.
func SetsCacheInShell(run *dockerfile.Run, state dockerfile.State) bool {
	for _, word := range state.Shell {
		if name, _, set := strings.Cut(word, "="); set && cacheSetting.MatchString(name) {
			return true // SHELL ["env", "HOME=/tmp", "sh", "-c"]
		}
	}
	if run.Exec != nil {
		return slices.ContainsFunc(run.Exec, isShell) && slices.ContainsFunc(run.Exec, func(word string) bool { return scriptSetsCache(word, 1) })
	}
	return scriptSetsCache(run.Script, 0)
}

// maxNested bounds how deep scripts in the words of scripts are read.
const maxNested = 3

func scriptSetsCache(script string, depth int) bool {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(script), "")
	if err != nil || depth > maxNested {
		return depth == 0 // a word that is no script sets nothing
	}
	named := func(a *syntax.Assign) bool { return a.Name != nil && cacheSetting.MatchString(a.Name.Value) }
	found := false
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			switch {
			case len(n.Args) == 0:
				found = found || slices.ContainsFunc(n.Assigns, named)
			case n.Args[0].Lit() == "read":
				found = found || slices.ContainsFunc(n.Args[1:], func(w *syntax.Word) bool { return cacheSetting.MatchString(w.Lit()) })
			case slices.ContainsFunc(n.Args, func(w *syntax.Word) bool { return isShell(w.Lit()) }):
				found = found || slices.ContainsFunc(n.Args, func(w *syntax.Word) bool { return scriptSetsCache(quotedText(script, w), depth+1) })
			}
		case *syntax.DeclClause:
			found = found || n.Variant.Value != "export" && slices.ContainsFunc(n.Args, named)
		case *syntax.ForClause:
			if each, ok := n.Loop.(*syntax.WordIter); ok {
				found = found || cacheSetting.MatchString(each.Name.Value)
			}
		}
		return !found
	})
	return found
}

func isShell(program string) bool {
	return slices.Contains([]string{"sh", "bash", "dash", "ash", "zsh", "su", "eval"}, path.Base(program))
}

// quotedText is what is between the quotes of a word that is quoted as a whole; "" for others.
func quotedText(script string, w *syntax.Word) string {
	if len(w.Parts) != 1 {
		return ""
	}
	switch part := w.Parts[0].(type) {
	case *syntax.SglQuoted:
		return part.Value
	case *syntax.DblQuoted:
		text := script[part.Pos().Offset():part.End().Offset()]
		return strings.ReplaceAll(strings.TrimPrefix(strings.TrimSuffix(text, `"`), `"`), `\`, "")
	}
	return ""
}
