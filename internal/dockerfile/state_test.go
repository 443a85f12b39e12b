package dockerfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/source"
)

func mustParse(t testing.TB, text string) *File {
	t.Helper()
	f, err := Parse(source.New("Dockerfile", []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestStates looks at the state of the last instruction of each file.
func TestStates(t *testing.T) {
	known := State{Workdir: "/", WorkdirKnown: true, UserKnown: true, BaseKnown: true, Env: map[string]string{}}
	tests := []struct {
		name, file string
		args       map[string]string
		want       func(*State) // changes known
	}{
		{name: "known base", file: "FROM python:3.12\nRUN x", want: func(s *State) {}},
		{name: "mirror of a known base", file: "FROM public.ecr.aws/docker/library/python:3.12@sha256:0123456789012345678901234567890123456789012345678901234567890123\nRUN x", want: func(s *State) {}},
		{name: "known base with a directory", file: "FROM golang:1.25\nRUN x", want: func(s *State) { s.Workdir = "/go" }},
		{name: "php by variant", file: "FROM php:8-fpm\nRUN x", want: func(s *State) { s.Workdir = "/var/www/html" }},
		{name: "uv on python", file: "FROM ghcr.io/astral-sh/uv:python3.12-bookworm-slim\nRUN x", want: func(s *State) {}},
		{name: "uv alone", file: "FROM ghcr.io/astral-sh/uv:0.5\nRUN x", want: func(s *State) { s.BaseKnown, s.WorkdirKnown, s.UserKnown = false, false, false }},
		{name: "somebody's python", file: "FROM example.com/python:3.12\nRUN x", want: func(s *State) { s.BaseKnown, s.WorkdirKnown, s.UserKnown = false, false, false }},
		{name: "windows", file: "FROM python:3.12-windowsservercore\nRUN x", want: func(s *State) { s.BaseKnown, s.WorkdirKnown, s.UserKnown = false, false, false }},
		{name: "scratch", file: "FROM scratch\nENV A=${B}c\nRUN x", want: func(s *State) {
			s.EnvKnown = true
			s.Env = map[string]string{"A": "c", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
		}},
		{name: "workdir and user on an unknown base", file: "FROM me/base\nWORKDIR /app\nUSER 1000\nRUN x", want: func(s *State) {
			s.BaseKnown = false
			s.Workdir, s.User = "/app", "1000"
		}},
		{name: "relative workdir on an unknown base", file: "FROM me/base\nWORKDIR app\nRUN x", want: func(s *State) {
			s.BaseKnown, s.WorkdirKnown, s.UserKnown = false, false, false
			s.Workdir = "/app"
		}},
		{name: "workdir through variables", file: "FROM python:3\nENV HOME=/srv\nWORKDIR $HOME/\"my app\"\nWORKDIR x/..\nRUN x", want: func(s *State) {
			s.Workdir = "/srv/my app"
			s.Env = map[string]string{"HOME": "/srv"}
		}},
		{name: "workdir by a variable of the image", file: "FROM python:3\nWORKDIR $HOME/app\nWORKDIR y\nRUN x", want: func(s *State) {
			s.Workdir, s.WorkdirKnown = "/$HOME/app/y", false
		}},
		{name: "absolute workdir after an unknown one", file: "FROM python:3\nWORKDIR $HOME/app\nWORKDIR /y\nRUN x", want: func(s *State) { s.Workdir = "/y" }},
		{name: "argument default", file: "FROM python:3\nARG V=1 W=${V}2\nRUN x", want: func(s *State) { s.Env = map[string]string{"V": "1", "W": "12"} }},
		{name: "argument given", file: "FROM python:3\nARG V=1 W\nRUN x", args: map[string]string{"V": "9"}, want: func(s *State) { s.Env = map[string]string{"V": "9"} }},
		{name: "argument of the file", file: "ARG V=1\nARG W=${V}0\nFROM python:3\nARG W\nRUN x", want: func(s *State) { s.Env = map[string]string{"W": "10"} }},
		{name: "argument of the file is not seen without ARG", file: "ARG V=1\nFROM python:3\nRUN x", want: func(s *State) {}},
		{name: "platform differs from build to build", file: "FROM python:3\nARG TARGETARCH\nRUN x", want: func(s *State) {}},
		{name: "platform given", file: "FROM python:3\nARG TARGETARCH\nRUN x", args: map[string]string{"TARGETARCH": "arm64"}, want: func(s *State) { s.Env = map[string]string{"TARGETARCH": "arm64"} }},
		{name: "ENV after ARG wins", file: "FROM python:3\nARG V=1\nENV V=2\nRUN x", args: map[string]string{"V": "3"}, want: func(s *State) { s.Env = map[string]string{"V": "2"} }},
		{name: "ARG after ENV wins within the stage", file: "FROM python:3\nENV V=2\nARG V=1\nRUN x", want: func(s *State) { s.Env = map[string]string{"V": "1"} }},
		{name: "ENV wins in the next stage", file: "FROM python:3 AS a\nENV V=2\nARG V=1 W=w\nFROM a\nRUN x", want: func(s *State) { s.Env = map[string]string{"V": "2", "W": "w"} }},
		{name: "pairs of one ENV do not see each other", file: "FROM python:3\nENV A=1\nENV A=2 B=$A\nRUN x", want: func(s *State) { s.Env = map[string]string{"A": "2", "B": "1"} }},
		{name: "an unknown value removes a known one", file: "FROM python:3\nENV A=1\nENV A=$PYTHON_VERSION\nRUN x", want: func(s *State) {}},
		{name: "an unknown value stays unknown in the next stage", file: "FROM python:3 AS a\nENV A=$PYTHON_VERSION\nARG A=1\nFROM a\nRUN x", want: func(s *State) {}},
		{name: "PATH of the image is not known", file: "FROM python:3\nENV PATH=/venv/bin:$PATH\nRUN x", want: func(s *State) {}},
		{name: "old form of ENV", file: "FROM python:3\nENV A some words\nRUN x", want: func(s *State) { s.Env = map[string]string{"A": "some words"} }},
		{name: "inheritance", file: "FROM python:3 AS a\nWORKDIR /app\nUSER app\nSHELL [\"/bin/bash\", \"-c\"]\nFROM a\nRUN x", want: func(s *State) {
			s.Workdir, s.User, s.Shell = "/app", "app", []string{"/bin/bash", "-c"}
		}},
		{name: "triggers run before the next stage's instructions", file: "FROM python:3 AS a\nONBUILD WORKDIR /app\nONBUILD ENV A=1\nFROM a\nRUN x", want: func(s *State) {
			s.Workdir = "/app"
			s.Env = map[string]string{"A": "1"}
		}},
		{name: "base by argument", file: "ARG BASE=me/base\nFROM ${BASE}\nRUN x", args: map[string]string{"BASE": "alpine"}, want: func(s *State) {}},
		{name: "base without a value", file: "ARG V\nFROM python:${V}\nRUN x", want: func(s *State) { s.BaseKnown, s.WorkdirKnown, s.UserKnown = false, false, false }},
		{name: "user by an unknown variable", file: "FROM python:3\nUSER $ME\nRUN x", want: func(s *State) { s.User, s.UserKnown = "$ME", false }},
		{name: "backtick is the escape character", file: "# escape=`\nFROM python:3\nENV A=a` b\nRUN x", want: func(s *State) { s.Env = map[string]string{"A": "a b"} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := mustParse(t, tt.file)
			states, err := f.States(tt.args)
			if err != nil {
				t.Fatal(err)
			}
			want := known
			tt.want(&want)
			if diff := cmp.Diff(want, states[f.Instructions[len(f.Instructions)-1]]); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestStateOfTrigger: a trigger runs after its stage and the triggers before it.
func TestStateOfTrigger(t *testing.T) {
	f := mustParse(t, "FROM python:3\nONBUILD WORKDIR /b\nONBUILD RUN x\nWORKDIR /a\n")
	states, err := f.States(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := states[f.Instructions[1].Trigger].Workdir; got != "/a" {
		t.Errorf("first trigger runs in %s, want /a", got)
	}
	if got := states[f.Instructions[2].Trigger].Workdir; got != "/b" {
		t.Errorf("second trigger runs in %s, want /b", got)
	}
}

// TestNestedENVBomb: 24 lines of ENV, each twice the one before, take BuildKit 2 GB.
func TestNestedENVBomb(t *testing.T) {
	double := func(keyword, prefix string) string {
		var b strings.Builder
		b.WriteString(prefix + keyword + " A0=xx\n")
		for i := range 24 {
			fmt.Fprintf(&b, "%s A%d=${A%d}${A%d}\n", keyword, i+1, i, i)
		}
		return b.String()
	}
	tests := map[string]string{
		"ENV":           double("ENV", "FROM scratch\n"),
		"ARG":           double("ARG", "FROM scratch\n"),
		"ONBUILD":       double("ONBUILD ENV", "FROM scratch AS a\n") + "FROM a\n",
		"replacement":   "FROM scratch\nENV A=" + strings.Repeat("x", 5000) + "\nENV B=${A//?/$A}\nENV C=${B//?/$B}\n",
		"plain replace": "FROM scratch\nENV A=" + strings.Repeat("x", 5000) + "\nENV B=${A//?/" + strings.Repeat("y", 5000) + "}\n",
		"patterns":      "FROM scratch\nENV A=" + strings.Repeat("x", 50000) + " P=" + strings.Repeat("*a", 5000) + "\nENV B=${A#$P}\n",
		"here-document": "FROM scratch\nENV A=" + strings.Repeat("x", 60000) + "\nCOPY <<EOF /f\n" + strings.Repeat("$A", 1000) + "\nEOF\n",
		"carried":       "FROM scratch\nENV A=" + strings.Repeat("x", 60000) + "\nENV B=$A$A$A$A\n" + strings.Repeat("RUN x\n", 900),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			f, err := Parse(source.New("Dockerfile", []byte(text)))
			if err == nil {
				_, err = f.States(nil)
			}
			var limit *LimitError
			if !errors.As(err, &limit) {
				t.Fatalf("got error %v, want a *LimitError", err)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	t.Run("ARG before FROM", func(t *testing.T) {
		_, err := Parse(source.New("Dockerfile", []byte(double("ARG", "")+"FROM scratch\n")))
		var limit *LimitError
		if !errors.As(err, &limit) {
			t.Fatalf("got error %v, want a *LimitError", err)
		}
	})
}

func TestExpand(t *testing.T) {
	f := mustParse(t, "FROM python:3\nENV A=1\nRUN x")
	states, err := f.States(nil)
	if err != nil {
		t.Fatal(err)
	}
	state := states[f.Instructions[2]]
	for word, want := range map[string]string{"$A/b": "1/b", "${A}": "1", `"a b"`: "a b", "$B": "", "${B:-c}": "", "${": ""} {
		got, known := f.Expand(word, state)
		if !known {
			got = ""
		}
		if got != want {
			t.Errorf("Expand(%q) = %q, want %q", word, got, want)
		}
	}
}
