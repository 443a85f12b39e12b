package fix

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

// mergeRuns proves that two neighbouring RUNs can be one, joined by "&&":
//   - they stand next to each other, in shell form, with the same mounts, network and security, so
//     that user, directory, environment and SHELL are the same too;
//   - the second is one list of "&&": joined to the first it runs when the first succeeded, as before,
//     and no failure is passed over;
//   - the first ends where it began: no cd, no variable, function, option (but -e and -x), trap or
//     umask reaches the second, and it neither exits early nor leaves work in the background.
//
// That every command runs in the same directory, under the same exports, as often and as checked as
// before, the comparison of the scripts says.
func (s scene) mergeRuns(_ *unit, e rules.MergeRuns) Reason {
	list := e.First.Stage.Instructions
	at := slices.Index(list, e.First)
	if at < 0 || at+1 >= len(list) || list[at+1] != e.Second {
		return rules.StepBetween
	}
	a, b := e.First.Run(), e.Second.Run()
	switch {
	case a == nil || b == nil || a.Err != nil || b.Err != nil:
		return rules.ScriptUnread
	case a.Exec != nil || b.Exec != nil || a.Heredoc || b.Heredoc || len(a.Steps) == 0 || len(b.Steps) == 0:
		return rules.ScriptForm
	case !slices.Equal(flagsOf(e.First, ""), flagsOf(e.Second, "")):
		return rules.OtherSettings
	case slices.ContainsFunc(b.Steps[1:], func(s dockerfile.Step) bool { return s.Op != "&&" }):
		return rules.FailureUnseen
	case leaks(a):
		return rules.OtherSettings
	}
	return ""
}

// leaking are builtins that change the shell for what follows.
var leaking = []string{"cd", "pushd", "popd", "export", "unset", "trap", "umask", "alias", "shopt", "ulimit", "exit", "return", "exec", "eval", "source", ".", "read", "local", "declare", "typeset", "readonly", "hash", "let"}

// leaks says whether a script leaves its shell other than it found it, as far as that can matter to
// one list of commands behind it.
func leaks(run *dockerfile.Run) bool {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(run.Script), "")
	if err != nil {
		return true
	}
	found := false
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Subshell, *syntax.CmdSubst, *syntax.ProcSubst:
			return false // a shell of its own
		case *syntax.FuncDecl, *syntax.DeclClause, *syntax.LetClause, *syntax.ForClause, *syntax.CoprocClause:
			found = true
		case *syntax.Stmt:
			found = found || n.Background || n.Coprocess
		case *syntax.CallExpr:
			found = found || len(n.Args) == 0 && len(n.Assigns) > 0 || len(n.Args) > 0 && slices.Contains(leaking, n.Args[0].Lit())
			found = found || len(n.Args) > 0 && n.Args[0].Lit() == "set" && !harmlessSet(n.Args[1:])
		}
		return !found
	})
	return found
}

// harmlessSet says whether set does nothing but to switch -e and -x on: a list of "&&" behind it ends
// with the first failure all the same.
func harmlessSet(args []*syntax.Word) bool {
	return len(args) == 1 && slices.Contains([]string{"-e", "-x", "-ex", "-xe"}, args[0].Lit())
}
