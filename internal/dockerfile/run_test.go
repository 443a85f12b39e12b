package dockerfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRunCommands shows what is read of scripts: one line for each command, with the name, S for
// Straight, A for Always, C for Checked, and the depth.
func TestRunCommands(t *testing.T) {
	tests := []struct{ name, run, want string }{
		{"list", "a && b; c", "a SA- 0, b S-- 0, c SAC 0"},
		{"and", "a && b", "a SAC 0, b SAC 0"},
		{"or", "a || b", "a SA- 0, b --C 0"},
		{"or true", "a && b || true", "a SA- 0, b S-- 0, true --C 0"},
		{"or exit", "a || exit 1; b", "a SAC 0, exit --- 0, b SAC 0"},
		{"or exit after words", "a || { echo no; exit 1; }; b", "a SAC 0, echo --- 1, exit --- 1, b SAC 0"},
		{"or exit 0", "a || exit 0; b", "a SA- 0, exit --- 0, b S-C 0"},
		{"or in the middle", "a || b && c", "a SA- 0, b --C 0, c SAC 0"},
		{"set -e", "set -e; a; b", "set SA- 0, a SAC 0, b SAC 0"},
		{"set -e does not reach the left of &&", "set -e; a && b; c", "set SA- 0, a SA- 0, b S-C 0, c SAC 0"},
		{"set -eux -o pipefail", "set -eux -o pipefail; a | b; c", "set SA- 0, a SAC 0, b SAC 0, c SAC 0"},
		{"set +e", "set -e; set +e; a; b", "set SA- 0, set SAC 0, a SA- 0, b SAC 0"},
		{"set -e and a group", "set -e; { a && b; }; c", "set SA- 0, a SA- 1, b S-C 1, c SAC 0"},
		{"set -e and a subshell", "set -e; (a; b && c); d", "set SA- 0, a SAC 1, b SAC 1, c SAC 1, d SAC 0"},
		{"set -e in a subshell nobody looks at", "(set -e; a); b", "set SA- 1, a SA- 1, b SAC 0"},
		{"set -e in a condition", "set -e; if a; b; then c; fi", "set SA- 0, a SA- 1, b SA- 1, c --C 1"},
		{"pipe", "a | b", "a SA- 0, b SAC 0"},
		{"if", "if a; then b; elif c; then d; else e; fi && f", "a SA- 1, b --C 1, c --- 1, d --C 1, e --C 1, f SAC 0"},
		{"loop", "for i in 1 2; do a; done; b", "a --- 1, b SAC 0"},
		{"while", "while a; do b; done", "a SA- 1, b --- 1"},
		{"case", "case $x in y) a;; *) b;; esac", "a --C 1, b --C 1"},
		{"function", "f() { a; }; f", "a --- 2, f SAC 0"},
		{"background", "a & b", "a --- 0, b SAC 0"},
		{"subshell", "(a; b) && c", "a SA- 1, b SAC 1, c SAC 0"},
		{"group", "{ a; b; }", "a SA- 1, b SAC 1"},
		{"negated", "! a", "a SA- 0"},
		{"early exit", "if a; then exit 0; fi; b", "a SA- 1, exit --- 1, b S-C 0"},
		{"exit in a subshell", "(exit 0); b", "exit SA- 1, b SAC 0"},
		{"exec ends the script", "exec a; b", "a SA- 0, b S-C 0"},
		{"substitution", "a $(b `c`) && d", "a SAC 0, b SA- 1, c SA- 2, d SAC 0"},
		{"substitution in an assignment", "X=$(a) && b", "a SA- 1, b SAC 0"},
		{"sh -c", "sh -c 'a && b'", "sh SAC 0, a SAC 1, b SAC 1"},
		{"bash -lc", `bash -lc "a; b"`, "bash SAC 0, a SA- 1, b SAC 1"},
		{"bash -e -o pipefail -c", `bash -e -o pipefail -c "a | b; c"`, "bash SAC 0, a SAC 1, b SAC 1, c SAC 1"},
		{"sh -c with variables", `sh -c "a $X ${Y}; b"`, "sh SAC 0, a SA- 1, b SAC 1"},
		{"sh -c with substitution is not read", `sh -c "a $(b)"`, "sh SAC 0, b SA- 1"},
		{"sh -c in sh -c", `sh -c 'sh -c "a"'`, "sh SAC 0, sh SAC 1, a SAC 2"},
		{"su -c", "su - app -c 'a; b'", "su SAC 0, a SA- 1, b SAC 1"},
		{"su without a command", "su app", "su SAC 0"},
		{"a script file is not read", "sh ./setup.sh -c a", "sh SAC 0"},
		{"eval is not read", "eval 'a; b'", "eval SAC 0"},
		{"sudo and env", "sudo -E env X=y -u Z pip3.11 install", "pip3.11 SAC 0"},
		{"time nice", "time nice -n 5 a", "a SAC 0"},
		{"command -v asks only", "command -v a", "command SAC 0"},
		{"a path", "/opt/venv/bin/pip install x", "pip SAC 0"},
		{"not literal", `"$PIP" install x`, " SAC 0"},
		{"in a variable", `I="apt-get install -y" && X=y ${I} git`, "apt-get SAC 0"},
		{"behind a wrapper in a variable", `S="sudo -E apt-get"; $S update`, "apt-get SAC 0"},
		{"in a variable in quotes", `I="apt-get install"; "$I" git`, " SAC 0"},
		{"in a variable with quotes", `I="apt-get 'install'"; $I git`, " SAC 0"},
		{"in a variable that may be another", `I=a; if b; then I=c; fi; $I`, "b SA- 1,  SAC 0"},
		{"in a variable that is split elsewhere", `IFS=:; I=a:b; $I`, " SAC 0"},
		{"in a variable of a loop", `I=a; for I in b c; do $I; done`, " --- 1"},
		{"in a variable that is read", `I=a; read I < f; $I`, "read SA- 0,  SAC 0"},
		{"in a variable that is taken away", `I=a; unset I; $I`, "unset SA- 0,  SAC 0"},
		{"export", "export A=1 && a", "export SAC 0, a SAC 0"},
		{"test", "[[ -f x ]] && a", "a SAC 0"},
		{"only posix", "function=1 a", "a SAC 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run := readRun(t, "RUN "+tt.run)
			if run.Err != nil {
				t.Fatal(run.Err)
			}
			var got []string
			for _, c := range run.Commands {
				flag := func(on bool, name string) string {
					if on {
						return name
					}
					return "-"
				}
				got = append(got, fmt.Sprintf("%s %s%s%s %d", c.Name, flag(c.Straight, "S"), flag(c.Always, "A"), flag(c.Checked, "C"), c.Nested))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func readRun(t testing.TB, instruction string) *Run {
	t.Helper()
	f := mustParse(t, "FROM alpine\n"+instruction)
	return f.Instructions[len(f.Instructions)-1].Run()
}

// TestRunScope shows what the last command of a script sees: its directory, its words, and its variables.
func TestRunScope(t *testing.T) {
	tests := []struct{ name, run, want string }{
		{"cd", "cd /app && x", "in /app: x"},
		{"cd relative", "cd app && cd ../b/. && x", "in b: x"},
		{"cd up", "cd .. && x", "in ..: x"},
		{"cd home", "cd && x", "in ?: x"},
		{"cd back", "cd /a && cd - && x", "in ?: x"},
		{"cd by a variable", "cd $X && x", "in ?: x"},
		{"cd by a variable, then absolute", "cd $X && cd /y && x", "in /y: x"},
		{"cd home by tilde", "cd ~/y && x", "in ?: x"},
		{"cd in a subshell", "(cd /app && y); x", "in : x"},
		{"cd in a branch", "if y; then cd /app; fi; x", "in ?: x"},
		{"cd in a pipe", "cd /app | y; x", "in : x"},
		{"cd or exit", "cd /app || exit 1; x", "in /app: x"},
		{"cd or go on", "y || cd /app; x", "in ?: x"},
		{"cd may not be reached", "y && cd /app; x", "in ?: x"},
		{"cd is inherited by sh -c", "cd /app && sh -c 'cd b; x'", "in /app/b: x"},
		{"cd in sh -c ends there", "sh -c 'cd b' && x", "in : x"},
		{"assignment", "A=1 B='2 3' x", "in : x A=1 B=2 3"},
		{"export", "export A=1; B=2; x", "in : x A=1"},
		{"export later", "A=1; export A; x", "in : x A=1"},
		{"assignment of an exported variable", "export A=1; A=2; x", "in : x A=2"},
		{"unset", "export A=1; unset A; x", "in : x"},
		{"declare -x", "declare -x A=1; x", "in : x A=1"},
		{"export in a branch", "export A=1; if y; then export A=2 B=3; fi; x", "in : x A=1? B=3?"},
		{"export in a subshell", "(export A=1); x", "in : x"},
		{"export into sh -c", "export A=1; sh -c 'x'", "in : x A=1"},
		{"env", "env A=1 x", "in : x A=1"},
		{"set -a", "set -a; A=1; x", "in : x A=1"},
		{"quotes", `x 'a b' "c d" e\ f "g\"h" 'i\j' "k\l"`, `in : x ‹a b› ‹c d› ‹e f› ‹g"h› ‹i\j› ‹k\l›`},
		{"not literal", `x $A "$A/b" *.txt a[bc] {a,b} ~/c`, `in : x $A? "$A/b"? *.txt? a[bc]? {a,b}? ~/c?`},
		{"literal after all", `x '$A' "*.txt" \* "~" a{b} [ ]`, `in : x $A *.txt * ~ a{b} [ ]`},
		{"here-document for a shell", "<<EOF\ncd /y\nx\nEOF", "in /y: x"},
		{"shell on standard input", "sh -e <<'EOF'\ncd /y\nx $A\nEOF", "in /y: x $A?"},
		{"redirections", "x >/dev/null 2>&1 <<<y", "in : x >‹/dev/null› 2>&‹1› <<<‹y›"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run := readRun(t, "RUN "+tt.run)
			if run.Err != nil {
				t.Fatal(run.Err)
			}
			c := run.Commands[len(run.Commands)-1]
			var b strings.Builder
			word := func(w Word) string {
				s := w.Value
				if strings.Contains(s, " ") || strings.ContainsAny(s, `"\`) && w.Literal {
					s = "‹" + s + "›"
				}
				if !w.Literal {
					s += "?"
				}
				return s
			}
			b.WriteString("in " + c.Dir)
			if !c.DirKnown {
				b.WriteString("?")
			}
			b.WriteString(":")
			for _, w := range c.Words {
				b.WriteString(" " + word(w))
			}
			for _, a := range c.Assigns {
				b.WriteString(" " + a.Name + "=" + a.Value)
				if !a.Literal {
					b.WriteString("?")
				}
			}
			for _, r := range c.Redirects {
				fmt.Fprintf(&b, " %s%s‹%s›", r.FD, r.Op, r.Target.Value)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestRunNotRead: what is no POSIX shell or bash says why, and has no commands.
func TestRunNotRead(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"powershell", `SHELL ["powershell", "-Command"]` + "\nRUN Get-Item x", `the shell "powershell" is not a POSIX shell or bash`},
		{"no -c", `SHELL ["/bin/bash"]` + "\nRUN x", `the shell "bash" is not called with -c`},
		{"syntax", "RUN if x; then", "read script: "},
		{"python here-document", "RUN <<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF", "here-document for python3, which is not a POSIX shell or bash"},
		{"too deep", "RUN " + strings.Repeat("( ", 1500) + "x" + strings.Repeat(")", 1500), "the script is nested deeper than what is read"},
		{"too many", "RUN " + strings.Repeat("x;", 6000), "the script is larger than what is read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run := readRun(t, tt.file)
			if run.Err == nil || !strings.HasPrefix(run.Err.Error(), tt.want) || len(run.Commands) > 0 || len(run.Steps) > 0 {
				t.Errorf("got error %v and %d commands, want %s", run.Err, len(run.Commands), tt.want)
			}
		})
	}
	t.Run("windows image", func(t *testing.T) {
		f := mustParse(t, "FROM mcr.microsoft.com/windows/servercore:ltsc2022\nRUN dir")
		if f.Instructions[1].Run().Err == nil {
			t.Error("cmd was read as a shell")
		}
	})
}

// TestStepEdits removes and inserts as the documentation of Step says.
func TestStepEdits(t *testing.T) {
	const file = "FROM alpine\nRUN a && \\\n    # why\n    b | c && \\\n    d\n"
	f := mustParse(t, file)
	steps := f.Instructions[1].Run().Steps
	if len(steps) != 3 {
		t.Fatalf("%d steps, want 3", len(steps))
	}
	cut := func(from, to int) string { return file[:from] + file[to:] }
	for _, tt := range []struct{ name, got, want string }{
		{"first", cut(steps[0].Span.Start, steps[1].Span.Start), "FROM alpine\nRUN b | c && \\\n    d\n"},
		{"middle", cut(steps[0].Span.End, steps[1].Span.End), "FROM alpine\nRUN a && \\\n    d\n"},
		{"last", cut(steps[1].Span.End, steps[2].Span.End), "FROM alpine\nRUN a && \\\n    # why\n    b | c\n"},
		{"insert", file[:steps[1].Span.Start] + "u && " + file[steps[1].Span.Start:], "FROM alpine\nRUN a && \\\n    # why\n    u && b | c && \\\n    d\n"},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s, -want +got:\n%s", tt.name, diff)
		}
	}
}
