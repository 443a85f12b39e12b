package lazyregexp_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// TestExpressions compiles every expression of the module: nothing else would before its first use.
func TestExpressions(t *testing.T) {
	files := token.NewFileSet()
	found := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isNew(call.Fun) || len(call.Args) != 1 {
				return true
			}
			found++
			expression, ok := text(call.Args[0])
			if !ok {
				t.Errorf("%s: write the expression as literals, so that this test can read it", files.Position(call.Pos()))
			} else if _, err := regexp.Compile(expression); err != nil {
				t.Errorf("%s: %v", files.Position(call.Pos()), err)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 50 {
		t.Errorf("%d expressions found, too few: does this test still know how they are written?", found)
	}
}

func isNew(function ast.Expr) bool {
	selector, ok := function.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != "New" {
		return false
	}
	name, ok := selector.X.(*ast.Ident)
	return ok && name.Name == "lazyregexp"
}

// text is the value of string literals joined by +.
func text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		value := constant.MakeFromLiteral(e.Value, e.Kind, 0)
		return constant.StringVal(value), value.Kind() == constant.String
	case *ast.BinaryExpr:
		left, ok := text(e.X)
		right, also := text(e.Y)
		return left + right, ok && also && e.Op == token.ADD
	}
	return "", false
}

func TestConcurrentUse(t *testing.T) {
	r := lazyregexp.New(`^a(b+)$`)
	done := make(chan []string)
	for range 4 {
		go func() { done <- r.FindStringSubmatch("abb") }()
	}
	for range 4 {
		if got := <-done; len(got) != 2 || got[1] != "bb" {
			t.Errorf("got %q", got)
		}
	}
}
