package dockerfile

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
)

// TestStatesAgreeWithBuildKit builds files with BuildKit's frontend as far as the definition and
// compares what their last RUN gets: its variables, directory, user, and the shell's script.
func TestStatesAgreeWithBuildKit(t *testing.T) {
	tests := []struct {
		name, file string
		args       map[string]string
	}{
		{"nothing", "FROM scratch\nRUN x", nil},
		{"env and arg", "FROM scratch\nENV A=1 B=$A C=\"a b\"\nARG D=$A E\nENV F=${D}2 A=3\nRUN x", nil},
		{"arg after env", "FROM scratch\nENV A=1\nARG A=2\nRUN x", nil},
		{"arg after env, given", "FROM scratch\nENV A=1\nARG A\nRUN x", map[string]string{"A": "3"}},
		{"env after arg, given", "FROM scratch\nARG A\nENV A=1\nRUN x", map[string]string{"A": "3"}},
		{"global arg", "ARG A=1\nARG B=${A}2\nFROM scratch\nARG B\nARG A=5\nRUN x", nil},
		{"global arg, given", "ARG A=1\nFROM scratch\nARG A\nRUN x", map[string]string{"A": "9"}},
		{"given but not declared", "FROM scratch\nRUN x", map[string]string{"A": "9"}},
		{"next stage", "FROM scratch AS a\nENV A=1 P=p\nARG A=2 B=3\nWORKDIR /a\nUSER u\nFROM a\nWORKDIR b/../c\nRUN x", nil},
		{"stage by argument", "ARG S=a\nFROM scratch AS a\nENV A=a\nFROM scratch AS b\nENV A=b\nFROM ${S}\nRUN x", map[string]string{"S": "b"}},
		{"shell", "FROM scratch\nSHELL [\"/bin/bash\", \"-c\"]\nRUN x y", nil},
		{"workdir", "FROM scratch\nENV D=/d\nWORKDIR $D/${E:-e}\nWORKDIR \"f g\"\nRUN x", nil},
		{"trigger", "FROM scratch AS a\nONBUILD ENV A=1\nONBUILD WORKDIR /t\nENV A=0\nFROM a\nENV B=$A\nRUN x", nil},
		{"path", "FROM scratch\nENV PATH=/x:$PATH\nRUN x", nil},
		{"patterns", "FROM scratch\nENV A=a.b.c\nENV B=${A//./-} C=${A#*.} D=${A%%.*} E=${A:+y}\nRUN x", nil},
		{"here-document", "FROM scratch\nRUN <<-EOF\n\ta\n\tb\n\tEOF", nil},
		{"here-documents", "FROM scratch\nRUN cat <<A && cat <<-\"B\" \\\n # c\n  && d\na\nA\n\tb\n\tB", nil},
		{"exec form", "FROM scratch\nRUN [\"a\", \"b c\"]", nil},
		{"escapes", "# escape=`\nFROM scratch\nENV A=a` b B=c\\d\nRUN a `\n  b", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := mustParse(t, tt.file)
			states, err := f.States(tt.args)
			if err != nil {
				t.Fatal(err)
			}
			last := f.Instructions[len(f.Instructions)-1]
			state := states[last]
			args := last.Run().Exec
			if args == nil {
				shell := state.Shell
				if shell == nil {
					shell = []string{"/bin/sh", "-c"}
				}
				args = append(slices.Clone(shell), last.Run().Script)
			}
			got := &pb.Meta{Args: args, Cwd: state.Workdir, User: state.User}
			for _, name := range slices.Sorted(maps.Keys(state.Env)) {
				got.Env = append(got.Env, name+"="+state.Env[name])
			}
			want := lastExec(t, tt.file, tt.args)
			slices.Sort(want.Env)
			for _, c := range []struct {
				name      string
				want, got any
			}{{"args", want.Args, got.Args}, {"environment", want.Env, got.Env}, {"directory", want.Cwd, got.Cwd}, {"user", want.User, got.User}} {
				if diff := cmp.Diff(c.want, c.got); diff != "" {
					t.Errorf("%s, -BuildKit +ours:\n%s", c.name, diff)
				}
			}
			if !state.WorkdirKnown || !state.UserKnown || !state.EnvKnown {
				t.Error("something is not known on scratch")
			}
		})
	}
}

func lastExec(t *testing.T, file string, args map[string]string) *pb.Meta {
	t.Helper()
	result, err := dockerfile2llb.Dockerfile2LLB(t.Context(), []byte(file), dockerfile2llb.ConvertOpt{
		Config: dockerui.Config{BuildArgs: maps.Clone(args)},
	})
	if err != nil {
		t.Fatal(err)
	}
	definition, err := result.State.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var meta *pb.Meta
	for _, raw := range definition.Def {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			t.Fatal(err)
		}
		if exec := op.GetExec(); exec != nil {
			meta = exec.Meta
		}
	}
	if meta == nil {
		t.Fatalf("no RUN in the definition of\n%s", strings.TrimSpace(file))
	}
	return meta
}
