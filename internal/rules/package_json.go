package rules

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// packageJSON is the part of a package.json that says what an install runs and reads besides it.
type packageJSON struct {
	Scripts    map[string]string `json:"scripts"`
	Workspaces json.RawMessage   `json:"workspaces"`
}

// InstallHooks are the scripts of the project that an install of its dependencies runs.
// Source: npm's documentation, "scripts: Life Cycle Scripts", npm ci and npm install; pnpm's and
// Yarn's take the same names.
var InstallHooks = []string{"preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"}

// harmlessHooks are programs that install hooks often are and that need nothing of the source: they
// set up the developer's git hooks, fetch a browser, or refuse another package manager.
var harmlessHooks = []string{
	"husky", "is-ci", "lefthook", "simple-git-hooks", "only-allow", "playwright", "cypress", "ngcc", "echo", "true", "exit", "test", "[", "patch-package",
}

// hooksNeedSource says whether an install of Node.js packages runs a script of the project that may
// read the source: the dependencies alone cannot be installed before it is there.
func (v *view) hooksNeedSource(r readsOf, install shelleffects.Install) bool {
	switch install.Tool {
	case "npm", "yarn", "pnpm", "bun":
	default:
		return false
	}
	if install.Verb == "fetch" || slices.ContainsFunc(install.Command.Words, func(w dockerfile.Word) bool { return w.Value == "--ignore-scripts" }) {
		return false
	}
	for _, project := range v.packageJSONs(r) {
		for _, hook := range InstallHooks {
			if script := project.Scripts[hook]; script != "" && !harmlessHook(script) {
				return true
			}
		}
	}
	return false
}

// packageJSONs are the package.json files that an install reads.
func (v *view) packageJSONs(r readsOf) []packageJSON {
	var out []packageJSON
	for _, repo := range r.paths {
		if path.Base(repo) != "package.json" || v.Read == nil {
			continue
		}
		file, err := v.Read(repo)
		if err != nil {
			continue
		}
		var project packageJSON
		if json.Unmarshal(file.Data, &project) == nil {
			out = append(out, project)
		}
	}
	return out
}

// hasWorkspaces says whether an install of Node.js packages reads the manifests of workspaces besides its own.
// pnpm's stand in pnpm-workspace.yaml, which may hold settings alone.
// Source: npm's documentation, "workspaces".
func (v *view) hasWorkspaces(r readsOf, install shelleffects.Install) bool {
	switch install.Tool {
	case "npm", "yarn", "bun":
		return slices.ContainsFunc(v.packageJSONs(r), func(project packageJSON) bool { return len(project.Workspaces) > 0 })
	}
	return false
}

// harmlessHook says whether a script consists of known programs that need nothing of the source.
func harmlessHook(script string) bool {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(script), "")
	if err != nil {
		return false
	}
	harmless := true
	syntax.Walk(file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		words := make([]string, 0, len(call.Args))
		for _, w := range call.Args {
			words = append(words, w.Lit())
		}
		if words[0] == "npx" || words[0] == "pnpx" || words[0] == "bunx" {
			words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "-") })
		}
		harmless = harmless && len(words) > 0 && slices.Contains(harmlessHooks, words[0])
		return true
	})
	return harmless
}

// scriptedInstalls are the installs that a RUN makes by running a script of a package.json which a COPY brings
// ("yarn ui:install", "npm run setup"), where the script does nothing else that is not known.
func (p *Pass) scriptedInstalls(lane []step, i int) []shelleffects.Install {
	var out []shelleffects.Install
	state := p.states[lane[i].in]
	for _, cmd := range p.effectsOf(lane[i].in).Unknown {
		name, rest := packageScript(cmd)
		if name == "" || !cmd.DirKnown || p.Context == nil || p.Read == nil {
			continue
		}
		dir := cmd.Dir
		if !path.IsAbs(dir) {
			dir = path.Join("/", state.Workdir, dir)
		}
		at, ok := p.locate(lane, i, path.Join(dir, "package.json"))
		if !ok {
			continue
		}
		file, err := p.Read(p.Context.RepoPath(at.file))
		if err != nil {
			continue
		}
		var project packageJSON
		if json.Unmarshal(file.Data, &project) != nil || project.Scripts[name] == "" || project.Scripts["pre"+name]+project.Scripts["post"+name] != "" {
			continue
		}
		run := asRun(project.Scripts[name] + " " + rest)
		if run == nil {
			continue
		}
		state.Workdir, state.WorkdirKnown = dir, true
		e := shelleffects.Of(run, state)
		if e.Unread || len(e.Unknown) > 0 {
			continue
		}
		for _, install := range e.Installs {
			install.Command = cmd
			out = append(out, install)
		}
	}
	return out
}

// plainWord is a word that means itself in a shell.
var plainWord = lazyregexp.New(`^[A-Za-z0-9_./=:@,+-]+$`)

// packageScript is the script of a package.json that a command runs, and what it hands on to it; "" for none.
// Source: npm's documentation, "npm run"; Yarn's, "yarn run"; pnpm's, "pnpm run".
func packageScript(cmd *dockerfile.Command) (name, rest string) {
	if cmd.Name != "npm" && cmd.Name != "yarn" && cmd.Name != "pnpm" {
		return "", ""
	}
	words := cmd.Words[1:]
	run := len(words) > 0 && (words[0].Value == "run" || words[0].Value == "run-script")
	if run {
		words = words[1:]
	}
	if len(words) == 0 || cmd.Name == "npm" && !run || strings.HasPrefix(words[0].Value, "-") {
		return "", ""
	}
	var handed []string
	for _, w := range words {
		if !w.Literal || !plainWord.MatchString(w.Value) {
			return "", ""
		}
		if w.Value != "--" {
			handed = append(handed, w.Value)
		}
	}
	return handed[0], strings.Join(handed[1:], " ")
}
