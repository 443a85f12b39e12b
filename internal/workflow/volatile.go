package workflow

import (
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"mvdan.cc/sh/v3/syntax"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// volatileText stands for what is not written down, like unknownText, and is another value with each
// build: a commit, the number of a run, a time.
const volatileText = unknownText + "\ue003"

func isVolatile(text string) bool { return strings.Contains(text, volatileText) }

// volatileContexts are the values of GitHub's contexts that are others with each commit or run. A branch or
// a tag is none: many builds have the same. Source: GitHub's documentation, "Contexts reference".
var volatileContexts = map[string]bool{
	"github.sha": true, "github.run_id": true, "github.run_number": true,
	"github.event.after": true, "github.event.head_commit.id": true, "github.event.head_commit.timestamp": true,
	"github.event.pull_request.head.sha": true, "github.event.workflow_run.head_sha": true, "github.event.workflow_run.id": true,
}

// volatileVariables are those of volatileContexts that scripts see. RANDOM and the clocks are bash's.
var volatileVariables = map[string]bool{
	"GITHUB_SHA": true, "GITHUB_RUN_ID": true, "GITHUB_RUN_NUMBER": true,
	"RANDOM": true, "SRANDOM": true, "EPOCHSECONDS": true, "EPOCHREALTIME": true,
}

// metadataLabel is a label that docker/metadata-action makes, as its README reads them for build
// arguments.
var metadataLabel = lazyregexp.New(`^fromjson\(steps\.([a-z0-9_-]+)\.outputs\.json\)\.labels\[['"]org\.opencontainers\.image\.(created|revision|version)['"]\]$`)

// isVolatileExpression says whether an expression, in small letters, is another value with each run: a
// name, a label of docker/metadata-action, or names of which one stands in for the other (||).
func isVolatileExpression(expression string, values *scope) bool {
	if m := metadataLabel.FindStringSubmatch(strings.ReplaceAll(expression, " ", "")); m != nil {
		output := "json"
		if m[2] == "version" {
			output = "version"
		}
		value, _ := values.lookup("steps." + m[1] + ".outputs." + output)
		return isVolatile(value)
	}
	for name := range strings.SplitSeq(expression, "||") {
		name = strings.TrimSpace(name)
		if value, _ := values.lookup(name); !volatileContexts[name] && !isVolatile(value) {
			return false
		}
	}
	return true
}

// outputs notes the volatile outputs of an action. docker/metadata-action puts the time and the commit
// into every set of labels; its version is a commit or a time where every rule for tags says so.
func (w *workflowReader) outputs(step ast.Node, uses member, id string, learned *scope) {
	name, _, _ := strings.Cut(w.text(uses.value), "@")
	if id == "" || !strings.EqualFold(name, "docker/metadata-action") && !strings.EqualFold(name, "crazy-max/ghaction-docker-meta") {
		return
	}
	for _, output := range []string{"json", "labels", "annotations"} {
		learned.values["steps."+id+".outputs."+output] = volatileText
	}
	rules := 0
	for rule := range strings.Lines(w.text(w.get(w.get(step, "with"), "tags"))) {
		if rule = strings.TrimSpace(rule); rule == "" || strings.HasPrefix(rule, "#") {
			continue
		}
		if !strings.HasPrefix(rule, "type=sha") && !strings.Contains(rule, "{{sha}}") && !strings.Contains(rule, "{{date") {
			return
		}
		rules++
	}
	if rules > 0 {
		learned.values["steps."+id+".outputs.version"] = volatileText
	}
}

// setting is NAME=value that a script writes for later steps.
type setting struct {
	output      bool // of the step, not of the environment
	name, value string
	conditional bool
}

// learn notes what later steps see of a script's settings. A name is volatile when each of its values
// is and one is set in any case: at the top level, or in two branches. Else it is not known.
func (r *shellReader) learn(id string, learned *scope) {
	type seen struct {
		places      int
		sure, other bool
	}
	names := map[string]seen{}
	for _, s := range r.settings {
		name := "env." + strings.ToLower(s.name)
		if s.output {
			name = "steps." + id + ".outputs." + strings.ToLower(s.name)
		}
		n := names[name]
		n.places++
		n.sure = n.sure || !s.conditional
		n.other = n.other || !isVolatile(s.value)
		names[name] = n
	}
	for name, n := range names {
		learned.values[name] = unknownText
		if !n.other && (n.sure || n.places > 1) {
			learned.values[name] = volatileText
		}
	}
}

// written notes a text that a script echoes: NAME=value into the file of the environment or of the
// outputs, or the older ::set-output.
func (r *shellRun) written(text string, sink string) {
	s := setting{output: sink == "GITHUB_OUTPUT", conditional: r.conditional > 0}
	if rest, old := strings.CutPrefix(text, "::set-output name="); old {
		s.output = true
		name, value, ok := strings.Cut(rest, "::")
		if !ok {
			return
		}
		s.name, s.value = name, value
	} else {
		name, value, ok := strings.Cut(text, "=")
		if !ok || sink == "" {
			return
		}
		s.name, s.value = name, value
	}
	r.settings = append(r.settings, s)
}

// sinkOf is the file, "GITHUB_ENV" or "GITHUB_OUTPUT", that a redirection appends to; "" for others.
func sinkOf(redirects []*syntax.Redirect) string {
	for _, redirect := range redirects {
		if redirect.Op != syntax.AppOut && redirect.Op != syntax.RdrOut || redirect.Word == nil {
			continue
		}
		if sink := sinkName(redirect.Word); sink != "" {
			return sink
		}
	}
	return ""
}

// teeSink is such a file that tee -a writes to.
func teeSink(s *syntax.Stmt) string {
	c, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || len(c.Args) != 3 || c.Args[0].Lit() != "tee" || c.Args[1].Lit() != "-a" {
		return ""
	}
	return sinkName(c.Args[2])
}

func sinkName(w *syntax.Word) string {
	parts := w.Parts
	if len(parts) == 1 {
		if q, ok := parts[0].(*syntax.DblQuoted); ok {
			parts = q.Parts
		}
	}
	if len(parts) != 1 {
		return ""
	}
	if p, ok := parts[0].(*syntax.ParamExp); ok && p.Param != nil && (p.Param.Value == "GITHUB_ENV" || p.Param.Value == "GITHUB_OUTPUT") {
		return p.Param.Value
	}
	return ""
}

// volatileOutput says whether what commands put out is another text with each build: the commit or the
// time, or a text with them, also shortened or hashed.
func (r *shellRun) volatileOutput(list []*syntax.Stmt, at *shellState, depth int) bool {
	if len(list) != 1 || depth > 4 || len(list[0].Redirs) > 1 {
		return false // one redirection is that of the errors
	}
	switch c := list[0].Cmd.(type) {
	case *syntax.BinaryCmd:
		switch c.Op {
		case syntax.Pipe:
			filter, ok := c.Y.Cmd.(*syntax.CallExpr)
			return ok && len(filter.Args) > 0 && slices.Contains(keepingFilters, filter.Args[0].Lit()) &&
				r.volatileOutput([]*syntax.Stmt{c.X}, at, depth+1)
		case syntax.OrStmt: // one stands in for the other
			return r.volatileOutput([]*syntax.Stmt{c.X}, at, depth+1)
		}
	case *syntax.CallExpr:
		if len(c.Assigns) > 0 {
			return false
		}
		var words []word
		for _, w := range c.Args {
			words = append(words, r.word(w, at))
		}
		return isVolatileCommand(words)
	}
	return false
}

// keepingFilters put out another text when they get another one, as people use them on commits and
// times.
var keepingFilters = []string{"cut", "head", "tr", "xargs", "md5sum", "sha1sum", "sha256sum", "base64"}

// isVolatileCommand knows the commands whose output is a commit, a count of commits, a time or chance.
func isVolatileCommand(words []word) bool {
	if len(words) == 0 || !words[0].literal {
		return false
	}
	has := func(options ...string) bool {
		return slices.ContainsFunc(words[1:], func(w word) bool { return slices.Contains(options, w.text) })
	}
	starts := func(prefix string) bool {
		return slices.ContainsFunc(words[1:], func(w word) bool { return strings.HasPrefix(w.text, prefix) })
	}
	switch path.Base(words[0].text) {
	case "uuidgen":
		return true
	case "setuptools-scm", "versioningit":
		return len(words) == 1
	case "python", "python3":
		// The version that follows from the commit. Source: setuptools-scm's documentation, "Command line"; versioningit's.
		return len(words) == 3 && words[1].text == "-m" && (words[2].text == "setuptools_scm" || words[2].text == "versioningit")
	case "echo", "printf":
		return slices.ContainsFunc(words[1:], func(w word) bool { return isVolatile(w.text) })
	case "date":
		return !has("-r", "-d", "--date", "-f") && !starts("--date=") && !starts("--reference") && !starts("-d") && !starts("-r") && !coarse(words[1:])
	case "git":
		words = afterGitOptions(words[1:])
		if len(words) < 1 || !words[0].literal {
			return false
		}
		switch words[0].text {
		case "rev-parse":
			last := words[len(words)-1].text
			return (last == "HEAD" || last == "@") && !has("--abbrev-ref", "--symbolic", "--symbolic-full-name")
		case "describe":
			return !has("--abbrev=0", "--exact-match", "--contains", "--all")
		case "rev-list":
			return has("HEAD", "@") && (has("--count") || has("-1", "--max-count=1", "-n1"))
		case "log", "show":
			return has("-1", "-n1", "--max-count=1", "-s", "-n") && len(words) > 1 && !has("--") && gitShowsCommit(words[1:])
		}
	}
	return false
}

// afterGitOptions takes git's own options off its command.
func afterGitOptions(words []word) []word {
	for len(words) > 0 && strings.HasPrefix(words[0].text, "-") {
		takes := words[0].text == "-C" || words[0].text == "-c"
		if words = words[1:]; takes && len(words) > 0 {
			words = words[1:]
		}
	}
	return words
}

// gitShowsCommit says whether the format of git log asks for the commit or its time, of HEAD.
func gitShowsCommit(words []word) bool {
	formatted := false
	for _, w := range words {
		_, format, ok := strings.Cut(w.text, "format")
		switch {
		case ok && strings.HasPrefix(w.text, "--"), strings.HasPrefix(w.text, "--pretty="):
			formatted = formatted || strings.Contains(format, "%H") || strings.Contains(format, "%h") ||
				strings.Contains(format, "%ct") || strings.Contains(format, "%ci") || strings.Contains(format, "%cI") || strings.Contains(format, "%cd")
		case !strings.HasPrefix(w.text, "-") && w.text != "HEAD" && w.text != "1":
			return false // a path or another commit
		}
	}
	return formatted
}

// coarse says that a format of date has nothing finer than a week: it is another text with some builds
// only.
func coarse(words []word) bool {
	for _, w := range words {
		format, ok := strings.CutPrefix(w.text, "+")
		if !ok {
			continue
		}
		for i := 0; i+1 < len(format); i++ {
			if format[i] != '%' {
				continue
			}
			i++
			if format[i] == '-' && i+1 < len(format) {
				i++
			}
			if !strings.ContainsRune("YyGgCmbBhVUWq%", rune(format[i])) {
				return false
			}
		}
		return true
	}
	return false
}
