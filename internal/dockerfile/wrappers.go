package dockerfile

import (
	"path"
	"strings"
)

// wrapper is a program that runs the program named in its arguments.
type wrapper struct {
	// options that take the next word as their value: letters of short ones ("u"), long ones with dashes.
	short      string
	long       []string
	subcommand string // the word that has to come first: pyenv's exec
	// words before the program that are no options: timeout's duration, gosu's user.
	operands int
	assigns  bool // NAME=value before the program
	user     bool // it changes the user
	not      string
}

// wrappers are looked through for a command's name. Their options are those of GNU coreutils,
// util-linux, sudo, gosu and su-exec, of POSIX for the builtins, and the documented ones of pyenv, rbenv and nodenv,
// whose exec runs a program of the version that is chosen.
var wrappers = map[string]wrapper{
	"env":     {short: "uCS", long: []string{"--unset", "--chdir", "--split-string"}, assigns: true, not: "S"},
	"exec":    {short: "a"},
	"command": {not: "vV"},
	"builtin": {},
	"nohup":   {},
	"setsid":  {},
	"time":    {short: "fo", long: []string{"--format", "--output"}},
	"nice":    {short: "n", long: []string{"--adjustment"}},
	"ionice":  {short: "cn", long: []string{"--class", "--classdata"}, not: "pPu"},
	"stdbuf":  {short: "ioe", long: []string{"--input", "--output", "--error"}},
	"timeout": {short: "ks", long: []string{"--kill-after", "--signal"}, operands: 1},
	"sudo":    {short: "ugCDhpRrTtU", long: []string{"--user", "--group", "--chdir", "--host", "--prompt", "--role", "--type"}, assigns: true, user: true, not: "lvKek"},
	"doas":    {short: "uC", user: true},
	"gosu":    {operands: 1, user: true},
	"su-exec": {operands: 1, user: true},
	"pyenv":   {subcommand: "exec"},
	"rbenv":   {subcommand: "exec"},
	"nodenv":  {subcommand: "exec"},
	"setpriv": {long: []string{"--reuid", "--regid", "--groups"}, user: true},
}

// lookThrough moves the wrappers at the start of Words to Prefix and names the program behind them.
func (cmd *Command) lookThrough() {
	for len(cmd.Words) > 0 && cmd.Words[0].Literal {
		cmd.Name = path.Base(cmd.Words[0].Value)
		w, ok := wrappers[cmd.Name]
		if !ok {
			return
		}
		n, assigns, ok := w.arguments(cmd.Words[1:])
		if !ok || n+1 >= len(cmd.Words) {
			return // nothing behind it, or an option that makes it do something else
		}
		cmd.Prefix = append(cmd.Prefix, cmd.Words[:n+1]...)
		cmd.Words = cmd.Words[n+1:]
		cmd.Assigns = append(cmd.Assigns, assigns...)
		cmd.OtherUser = cmd.OtherUser || w.user
		cmd.Name = ""
	}
}

// arguments counts the words that belong to the wrapper itself; ok is false when they are not
// understood or the wrapper runs no program with them.
func (w wrapper) arguments(words []Word) (n int, assigns []Assign, ok bool) {
	operands := w.operands
	options := true
	if w.subcommand != "" {
		if len(words) == 0 || words[0].Value != w.subcommand {
			return 0, nil, false
		}
		n = 1
	}
	for n < len(words) {
		word := words[n]
		name, value, isAssign := strings.Cut(word.Value, "=")
		switch {
		case options && word.Value == "--":
			options = false
		case options && word.Literal && strings.HasPrefix(word.Value, "--"):
			for _, long := range w.long {
				if word.Value == long {
					n++
				}
			}
		case options && word.Literal && len(word.Value) > 1 && word.Value[0] == '-':
			for i, ch := range word.Value[1:] {
				if strings.ContainsRune(w.not, ch) {
					return 0, nil, false
				}
				if strings.ContainsRune(w.short, ch) {
					if i+2 == len(word.Value) {
						n++ // its value is the next word
					}
					break
				}
			}
		case w.assigns && isAssign && isName(name):
			assigns = append(assigns, Assign{Name: name, Word: Word{Value: value, Literal: word.Literal, Span: word.Span}})
		case operands > 0:
			operands--
			options = false
		default:
			return n, assigns, true
		}
		n++
	}
	return n, assigns, false
}

// isName says whether s can be the name of a variable.
func isName(s string) bool {
	for i, ch := range []byte(s) {
		if ch != '_' && (ch|0x20 < 'a' || ch|0x20 > 'z') && (i == 0 || ch < '0' || ch > '9') {
			return false
		}
	}
	return s != ""
}
