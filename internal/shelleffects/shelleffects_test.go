package shelleffects_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// TestCommands reads testdata/*.txt: a command of a RUN in python:3.12 under WORKDIR /app, and below
// it, indented, what the table knows of it. Lines that begin with "ENV" or "USER" stand in the
// Dockerfile above the commands that follow them. UPDATE=1 writes the files again.
func TestCommands(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata has no commands: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var out, head strings.Builder
			for _, line := range strings.Split(strings.TrimRight(string(data), "\n"), "\n") {
				switch {
				case strings.HasPrefix(line, "\t"):
				case line == "", strings.HasPrefix(line, "#"):
					out.WriteString(line + "\n")
				case strings.HasPrefix(line, "ENV "), strings.HasPrefix(line, "USER "), strings.HasPrefix(line, "FROM "):
					out.WriteString(line + "\n")
					if strings.HasPrefix(line, "FROM ") {
						head.Reset()
					}
					head.WriteString(line + "\n")
				default:
					out.WriteString(line + "\n")
					top := head.String()
					if !strings.HasPrefix(top, "FROM ") {
						top = "FROM python:3.12\n" + top
					}
					for _, l := range describe(t, top+"WORKDIR /app\nRUN "+line+"\n") {
						out.WriteString("\t" + l + "\n")
					}
				}
			}
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(data), out.String()); diff != "" {
				t.Errorf("%s differs (-file +now); UPDATE=1 go test ./internal/shelleffects writes it again:\n%s", name, diff)
			}
		})
	}
}

func effects(t testing.TB, text string) (shelleffects.Effects, bool) {
	file, err := dockerfile.Parse(source.New("Dockerfile", []byte(text)))
	if err != nil {
		return shelleffects.Effects{}, false
	}
	states, err := file.States(nil)
	if err != nil {
		return shelleffects.Effects{}, false
	}
	in := file.Instructions[len(file.Instructions)-1]
	return shelleffects.Of(in.Run(), states[in]), true
}

func describe(t *testing.T, text string) []string {
	e, ok := effects(t, text)
	if !ok {
		t.Fatalf("does not parse:\n%s", text)
	}
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, i := range e.Installs {
		l := i.Tool + ": " + i.Verb
		if i.Dir != "/app" || !i.DirKnown {
			l += fmt.Sprintf(" in %s", i.Dir)
			if !i.DirKnown {
				l += "?"
			}
		}
		for _, m := range i.Manifests {
			mark := ""
			if m.Constraint {
				mark = "constraint "
			}
			if m.Optional {
				mark += "optional "
			}
			l += fmt.Sprintf("; reads %s%q", mark, m.Path)
		}
		if len(i.Packages) > 0 {
			l += fmt.Sprintf("; packages %q", i.Packages)
		}
		if i.PackagingOnly {
			l += " (packaging only)"
		}
		if i.NeedsSource != "" {
			l += fmt.Sprintf("; %s %q", i.NeedsSource, i.LocalPaths)
		}
		if i.Leaves != "" {
			l += " unless " + i.Leaves
		}
		if len(i.Writes) > 0 {
			l += fmt.Sprintf("; writes %q", i.Writes)
		}
		if i.Unclear {
			l += "; unclear"
		}
		if i.CacheOff != "" {
			l += "; cache off by " + i.CacheOff
		} else if i.CacheDir != "" {
			l += "; cache in " + i.CacheDir
			if e.Removes(i.CacheDir, i.Tool, i.Command) {
				l += ", removed"
			}
		}
		add("%s", l)
	}
	for _, u := range e.Updates {
		add("%s: fetches the index", u.Tool)
	}
	for _, p := range e.Packages {
		l := p.Tool + ": installs"
		if p.Upgrade {
			l = p.Tool + ": upgrades"
		}
		if p.Fetches {
			l += ", fetches the index itself"
		}
		if len(p.Files) > 0 {
			l += fmt.Sprintf("; files %q", p.Files)
		}
		if len(p.Names) > 0 {
			l += fmt.Sprintf("; names %q", p.Names)
		}
		if p.Group != "" {
			l += "; group " + p.Group
		}
		add("%s", l)
	}
	for _, k := range e.Touches {
		if len(k.Paths) == 0 {
			add("harmless: %s", k.Command.Name)
		} else {
			add("%s touches %q", k.Command.Name, k.Paths)
		}
	}
	for _, r := range e.Removals {
		if r.Tool == "" {
			add("%s removes %q", r.Command.Name, r.Whole)
		}
	}
	for _, u := range e.Uninstalls {
		add("%s: takes away %q", u.Tool, u.Names)
	}
	for _, f := range e.Fetches {
		l := "fetches by " + f.How + " " + describeRef(f.Ref) + " of " + f.URL
		if f.Shallow {
			l += ", shallow"
		}
		if f.Dir != "" {
			l += ", into " + f.Dir
		}
		add("%s", l)
	}
	for _, o := range e.Checkouts {
		add("checks out %s", describeRef(o.Ref))
	}
	for _, u := range e.Unknown {
		add("unknown: %s", u.Words[0].Value)
	}
	if e.Unread {
		add("unread")
	}
	return out
}

func describeRef(r shelleffects.Ref) string {
	return [...]string{"branch", "tag", "commit", "unknown"}[r.Kind] + fmt.Sprintf(" %q", r.Name)
}

// FuzzOf looks for panics and for commands that are lost: each is in one list.
func FuzzOf(f *testing.F) {
	for _, s := range []string{"pip install -r requirements.txt", "python3 -m pip --no install -r${X} .", "apt-get -o x update && apt-get install ./a.deb",
		"find . -exec rm {} +", `cd "$A" && uv sync --directory=$B >$C 2>&1`, "conda run -n x pip install -e .", "npm ci --prefix", "[ -f x ] || exit"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, command string) {
		text := "FROM python:3.12\nENV A=/x B=\"y z\" C=$A\nUSER u\nRUN " + command
		file, err := dockerfile.Parse(source.New("Dockerfile", []byte(text)))
		if err != nil {
			t.Skip()
		}
		states, err := file.States(nil)
		if err != nil {
			t.Skip()
		}
		for _, in := range file.Instructions {
			run := in.Run()
			if run == nil {
				continue
			}
			e := shelleffects.Of(run, states[in])
			if n := len(e.Installs) + len(e.Updates) + len(e.Packages) + len(e.Touches) + len(e.Unknown); !e.Unread && n != len(run.Commands) {
				t.Errorf("%d commands, %d read: %q", len(run.Commands), n, command)
			}
		}
	})
}
