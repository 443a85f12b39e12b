package buildcache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

func parse(t testing.TB, text string) *dockerfile.File {
	t.Helper()
	file, err := dockerfile.Parse(source.New("Dockerfile", []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestPlan compiles the Dockerfile of each archive in testdata/plan. UPDATE=1 writes what came out.
//
// Sections: "args" and "target" are inputs, "stages" narrows the plan to those needed; "plan" or
// "error", "image" and "warnings" (where they are there) are what is wanted.
func TestPlan(t *testing.T) {
	files, err := filepath.Glob("testdata/plan/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			sections := map[string]string{}
			for _, f := range archive.Files {
				sections[f.Name] = string(f.Data)
			}
			in := Inputs{
				File:      parse(t, sections["Dockerfile"]),
				Target:    strings.TrimSpace(sections["target"]),
				Args:      map[string]string{},
				AllStages: sections["stages"] == "",
			}
			for line := range strings.Lines(sections["args"]) {
				arg, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				in.Args[arg] = value
			}
			plan, err := Compile(t.Context(), in)
			got := map[string]string{}
			if err != nil {
				got["error"] = fmt.Sprintf("%T\n%v\n", err, err)
			} else {
				got["plan"] = planText(plan)
				got["image"] = imageText(t, plan)
				got["warnings"] = warningsText(plan)
			}
			if os.Getenv("UPDATE") == "1" {
				update(t, name, archive, got)
				return
			}
			for _, section := range []string{"plan", "error", "image", "warnings"} {
				want, asked := sections[section]
				if !asked && section != "plan" && section != "error" {
					continue
				}
				if diff := cmp.Diff(want, got[section]); diff != "" {
					t.Errorf("%s (UPDATE=1 accepts it):\n%s", section, diff)
				}
			}
		})
	}
}

func planText(p *Plan) string {
	var b strings.Builder
	for i, s := range p.Steps {
		fmt.Fprintf(&b, "%d: stage %s, step %d, lines %d-%d: %s\n", i, s.Stage, s.Index, s.Lines.First, s.Lines.Last, s.Instruction)
		for line := range strings.Lines(s.Op) {
			b.WriteString("    " + line)
		}
		if len(s.Parents) > 0 {
			fmt.Fprintf(&b, "  stands on %v\n", s.Parents)
		}
		if s.OnBuild {
			b.WriteString("  from ONBUILD\n")
		}
	}
	return b.String()
}

func imageText(t *testing.T, p *Plan) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, p.Image, "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}

func warningsText(p *Plan) string {
	var b strings.Builder
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "%d %s: %s\n", w.Line, w.Rule, w.Message)
	}
	return b.String()
}

func update(t *testing.T, name string, archive *txtar.Archive, got map[string]string) {
	t.Helper()
	var kept []txtar.File
	for _, f := range archive.Files {
		switch f.Name {
		case "plan", "error":
			continue
		case "image", "warnings":
			f.Data = []byte(got[f.Name])
		}
		kept = append(kept, f)
	}
	for _, section := range []string{"plan", "error"} {
		if text, ok := got[section]; ok {
			kept = append(kept, txtar.File{Name: section, Data: []byte(text)})
		}
	}
	archive.Files = kept
	if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Lines of ENV that double each other: 24 of them, 491 bytes, take BuildKit 1.9 GB, 30 of them 8 GB,
// and it looks at no deadline. They are refused before BuildKit sees them.
func TestNestedEnvBombIsRefused(t *testing.T) {
	for _, lines := range []int{24, 30} {
		for name, bomb := range map[string]func(i int) string{
			"ENV":     func(i int) string { return fmt.Sprintf("ENV A%d=${A%d}${A%d}\n", i, i-1, i-1) },
			"default": func(i int) string { return fmt.Sprintf("ARG A%d=${N:-${A%d}${A%d}}\n", i, i-1, i-1) },
			"replace": func(i int) string { return fmt.Sprintf("ENV A%d=${A%d//x/xx}\n", i, i-1) },
			"quoted":  func(i int) string { return fmt.Sprintf("ENV A%d=\"$A%d$A%d\"\n", i, i-1, i-1) },
		} {
			t.Run(fmt.Sprintf("%s/%d", name, lines), func(t *testing.T) {
				text := "FROM scratch\nENV A0=xxxxxxxx\n"
				for i := 1; i <= lines; i++ {
					text += bomb(i)
				}
				refusedCheaply(t, text)
			})
		}
	}
}

func TestBombsAreRefused(t *testing.T) {
	kib := strings.Repeat("x", 1024)
	for name, text := range map[string]string{
		"before FROM":    "ARG A0=xxxxxxxx\n" + doubling("ARG", 40) + "FROM scratch\n",
		"in FROM":        "ARG A=" + strings.Repeat(kib, 50) + "\nFROM " + strings.Repeat("$A", 1000) + "\n",
		"name of RUN":    "FROM scratch\nENV A=" + strings.Repeat(kib, 50) + "\nRUN " + strings.Repeat("$A", 20000) + "\n",
		"COPY":           "FROM scratch\nENV A=" + strings.Repeat(kib, 50) + "\nCOPY " + strings.Repeat("$A", 2000) + " x\n",
		"heredoc":        "FROM scratch\nENV A=" + strings.Repeat(kib, 50) + "\nCOPY <<E x\n" + strings.Repeat("$A", 2000) + "\nE\n",
		"LABEL":          "FROM scratch\nENV A=" + strings.Repeat(kib, 50) + "\nLABEL a=" + strings.Repeat("$A", 2000) + "\n",
		"environments":   "FROM scratch\nENV A=" + strings.Repeat(kib, 50) + "\n" + strings.Repeat("RUN x\n", 900),
		"over stages":    "FROM scratch AS s0\nENV A0=xxxxxxxx\n" + stagesDoubling(40),
		"by a variable":  "ARG N=s\nFROM scratch AS s\nENV A0=xxxxxxxx\n" + doubling("ENV", 15) + "FROM $N\nENV A16=$A15$A15$A15$A15 A17=$A15$A15$A15$A15\nENV B=$A16$A16$A16$A17$A17$A17$A17$A17\nENV C=$B$B$B$B\n",
		"ONBUILD":        "FROM scratch AS s\nENV A0=xxxxxxxx\n" + doubling("ONBUILD ENV", 40) + "FROM s\n",
		"nested replace": "FROM scratch\nENV A=" + kib + "\nENV B=${A//x/${A//x/${A//x/$A}}}\n",
		"quoted braces":  "FROM scratch\nENV A=" + kib + "\nENV B=${A//x/'}'$A$A${A//x/\"}\"$A}}\n",
		"letters":        "FROM scratch\nENV é=" + kib + "\nENV B=${é//x/$é}\nENV C=${B//x/$é}\n",
		"sources":        "FROM scratch\nCOPY" + strings.Repeat(" a", 20000) + " b/\n",
		"variables":      "FROM scratch\nENV" + manyPairs("v", 20000) + "\n",
		"names":          "FROM scratch\nENV" + manyPairs(strings.Repeat("n", 200), 900) + "\nLABEL x=" + strings.Repeat("$"+strings.Repeat("m", 200)+"-", 300) + "\n",
		"long name":      "FROM scratch\nLABEL x=$" + strings.Repeat("m", 60000) + "\n",
		"ports":          "FROM scratch\nEXPOSE" + strings.Repeat(" 1-60000", 20) + "\n",
		"ports, hidden":  "FROM scratch\nENV A=1-60000\nEXPOSE" + strings.Repeat(" $A", 40) + "\n",
		"steps":          "FROM scratch\n" + strings.Repeat("COPY a b c\n", 600),
	} {
		t.Run(name, func(t *testing.T) { refusedCheaply(t, text) })
	}
}

func doubling(instruction string, n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "%s A%d=$A%d$A%d\n", instruction, i, i-1, i-1)
	}
	return b.String()
}

func stagesDoubling(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "FROM s%d AS s%d\nENV A%d=$A%d$A%d\n", i-1, i, i, i-1, i-1)
	}
	return b.String()
}

func manyPairs(name string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " \\\n%s%d=1", name, i)
	}
	return b.String()
}

// refusedCheaply wants a LimitError, from the parser or the compiler, in little time and memory: the
// race detector makes it ten times as much, and what is not refused takes a hundred times.
func refusedCheaply(t *testing.T, text string) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	file, err := dockerfile.Parse(source.New("Dockerfile", []byte(text)))
	if err == nil {
		_, err = Compile(t.Context(), Inputs{File: file, AllStages: true})
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	var limit *dockerfile.LimitError
	if !errors.As(err, &limit) {
		t.Errorf("error %.200v, want a *dockerfile.LimitError", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<30 {
		t.Errorf("took %d MB", used>>20)
	}
	if took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

// Many goroutines compile the same file at once; nothing that they share is written to.
func TestCompileConcurrently(t *testing.T) {
	file := parse(t, "ARG V=1\nFROM a:$V AS x\nARG SOURCE_DATE_EPOCH\nRUN x\nFROM b\nCOPY --link --from=x / /\nONBUILD RUN y\nFROM c\nRUN z\n")
	args := map[string]string{"SOURCE_DATE_EPOCH": "01", "V": "2"}
	want, err := Compile(t.Context(), Inputs{File: file, Args: args, AllStages: true})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := Compile(t.Context(), Inputs{File: file, Args: args, AllStages: true})
			if err != nil {
				t.Error(err)
				return
			}
			if diff := cmp.Diff(planText(want), planText(got)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(want.Warnings, got.Warnings); diff != "" {
				t.Error(diff)
			}
			if !bytes.Equal(want.Image, got.Image) {
				t.Errorf("image %s, want %s", got.Image, want.Image)
			}
		})
	}
	wg.Wait()
	if args["SOURCE_DATE_EPOCH"] != "01" {
		t.Error("the arguments were written to")
	}
}

func TestStepAt(t *testing.T) {
	plan, err := Compile(t.Context(), Inputs{File: parse(t, "FROM alpine AS a\nONBUILD RUN t\nFROM a\nENV X=1\nRUN a \\\n  b\n"), AllStages: true})
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[int]string{1: "", 3: "", 4: "", 5: "RUN a   b", 6: "RUN a   b", 7: ""} {
		got := ""
		if i, ok := plan.StepAt(line); ok {
			got = plan.Steps[i].Instruction
		}
		if got != want {
			t.Errorf("line %d is of %q, want %q", line, got, want)
		}
	}
}

func BenchmarkCompile20(b *testing.B) {
	file := parse(b, "FROM python:3.12 AS build\nENV A=1 B=2\n"+strings.Repeat("RUN --mount=type=cache,target=/c pip install x\nCOPY a b /c/\n", 7)+
		"FROM python:3.12\nCOPY --from=build /c /c\nWORKDIR /app\nRUN x\nCMD y\n")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(b.Context(), Inputs{File: file, AllStages: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTargetHasAll holds the target's definition, where it is taken for that of every stage, against the one
// with a stage that copies from every other.
func TestTargetHasAll(t *testing.T) {
	for name, text := range map[string]string{
		"from, copy and mount": "FROM alpine AS base\nRUN a\nFROM base AS build\nCOPY . /src\nRUN make\nFROM alpine AS tools\nRUN b\n" +
			"FROM base\nCOPY --from=build /out /out\nRUN --mount=from=tools,target=/tools /tools/run\n",
		"by number":     "FROM alpine\nRUN a\nFROM alpine\nCOPY --from=0 /a /a\n",
		"onbuild":       "FROM alpine AS base\nONBUILD RUN a\nONBUILD COPY . /b\nFROM base\nRUN c\n",
		"name in steps": "FROM alpine AS base\nRUN a\nFROM base AS last\nARG TARGETSTAGE\nRUN echo $TARGETSTAGE\n",
		"equal steps":   "FROM alpine AS a\nRUN same\nFROM alpine AS b\nRUN same\nFROM scratch\nCOPY --from=a / /a/\nCOPY --from=b / /b/\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := compiler{in: Inputs{File: parse(t, text), AllStages: true}, text: []byte(text)}
			if !c.targetHasAll() {
				t.Fatal("the target does not need every stage")
			}
			plan, err := Compile(t.Context(), c.in)
			if err != nil {
				t.Fatal(err)
			}
			all, err := c.convert(t.Context(), c.withAllStages(), "", c.argsOfTarget(), false, nil)
			if err != nil {
				t.Fatal(err)
			}
			definition, err := all.State.Marshal(t.Context(), llb.Platform(platform), llb.WithCaps(pb.Caps.CapSet(pb.Caps.All())))
			if err != nil {
				t.Fatal(err)
			}
			var want Plan
			if err := c.steps(&want, definition); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Steps, plan.Steps); diff != "" {
				t.Errorf("steps (-of every stage +of the target):\n%s", diff)
			}
		})
	}
}
