package child

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/solver/pb"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// The test binary is its own child: with a first argument of this form it does what is named
// behind it, as the child's side of the package.
const asChild = "child:"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], asChild) {
		run := behaviours[strings.TrimPrefix(os.Args[1], asChild)]
		limits := testLimits
		if os.Args[1] == asChild+"echo-size" {
			limits = Limits{Memory: memoryFactor * DefaultLimits().Memory, CPU: DefaultLimits().CPU}
		}
		if err := Run(context.Background(), limits, os.Stdin, os.Stdout, run); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The memory is that of "hitrate compile".
var testLimits = Limits{Memory: DefaultLimits().Memory, CPU: time.Minute}

// behaviours are what the child does with a request. A Dockerfile is analysed as its blob says.
var behaviours = map[string]func(context.Context, analysis.Request) analysis.Report{
	"analyse": func(_ context.Context, req analysis.Request) analysis.Report {
		var r analysis.Report
		for _, path := range req.Dockerfiles {
			e, _ := buildcontext.NewTree(req.Tree).Lookup(path)
			obey(string(req.Blobs[e.Object]))
			r.Dockerfiles = append(r.Dockerfiles, analysis.Dockerfile{Path: path})
			r.Suggestions = append(r.Suggestions, analysis.Suggestion{Path: path, Lines: source.Lines{First: 2, Last: 2}, Findings: []int{len(r.Findings)}})
			r.Findings = append(r.Findings,
				analysis.Finding{Rule: "r", Path: path, Dockerfile: path, Lines: source.Lines{First: 2, Last: 2}, Suggestion: len(r.Suggestions) - 1})
		}
		if len(req.Dockerfiles) > 0 {
			r.Findings = append(r.Findings,
				analysis.Finding{Rule: "q", Path: "requirements.txt", Dockerfile: req.Dockerfiles[0], Lines: source.Lines{First: 1, Last: 1}, Suggestion: -1})
		}
		return r
	},
	"environment": func(context.Context, analysis.Request) analysis.Report {
		return analysis.Report{Needs: os.Environ()}
	},
	"grandchild": func(context.Context, analysis.Request) analysis.Report {
		sleep := exec.Command(sleepPath, "300")
		sleep.Stdout = os.Stdout
		if err := sleep.Start(); err != nil {
			panic(err)
		}
		fmt.Fprintln(os.Stderr, "pid", sleep.Process.Pid)
		_ = sleep.Wait()
		return analysis.Report{}
	},
	"echo-size": func(_ context.Context, req analysis.Request) analysis.Report {
		return analysis.Report{Needs: []string{fmt.Sprint(len(req.Tree))}}
	},
	"real": analysis.Run,
	// BuildKit's frontend without what package buildcache puts before it.
	"buildkit": func(ctx context.Context, req analysis.Request) analysis.Report {
		var r analysis.Report
		for _, path := range req.Dockerfiles {
			e, _ := buildcontext.NewTree(req.Tree).Lookup(path)
			caps := pb.Caps.CapSet(pb.Caps.All())
			text := bytes.ReplaceAll(req.Blobs[e.Object], []byte("alpine:3.20"), []byte("scratch"))
			if _, err := dockerfile2llb.Dockerfile2LLB(ctx, text, dockerfile2llb.ConvertOpt{LLBCaps: &caps}); err != nil {
				panic(err)
			}
			r.Dockerfiles = append(r.Dockerfiles, analysis.Dockerfile{Path: path})
		}
		return r
	},
	"chatter": func(context.Context, analysis.Request) analysis.Report {
		for {
			fmt.Println(strings.Repeat("x", 1<<16))
			fmt.Fprintln(os.Stderr, strings.Repeat("y", 1<<16))
		}
	},
}

func obey(text string) {
	switch text {
	case "hog":
		var kept [][]byte
		for {
			kept = append(kept, bytes.Repeat([]byte{1}, 8<<20))
			if len(kept) > 1000 {
				panic("8 GB were given")
			}
		}
	case "sleep":
		time.Sleep(time.Hour)
	case "crash":
		panic("crashed")
	}
}

func analyzer(behaviour string) *Analyzer {
	return &Analyzer{Executable: os.Args[0], Args: []string{asChild + behaviour}, Timeout: 30 * time.Second}
}

func request(texts map[string]string) analysis.Request {
	req := analysis.Request{Blobs: map[string][]byte{}}
	for path, text := range texts {
		req.Tree = append(req.Tree, buildcontext.Entry{Path: path, Mode: "100644", Object: "object of " + path})
		req.Blobs["object of "+path] = []byte(text)
		req.Dockerfiles = append(req.Dockerfiles, path)
	}
	slices.Sort(req.Dockerfiles)
	return req
}

// One hostile Dockerfile does not take the review of the others away.
func TestOneFailsOthersDoNot(t *testing.T) {
	for hostile, reason := range map[string]string{
		"hog":   "not analysed: it takes more memory than hitrate spends on a file",
		"sleep": "not analysed: it takes longer than the 5s that hitrate spends on a file",
		"crash": "not analysed: hitrate failed on this file",
	} {
		t.Run(hostile, func(t *testing.T) {
			t.Parallel()
			a := analyzer("analyse")
			if hostile == "sleep" {
				a.Timeout = 5 * time.Second
			}
			req := request(map[string]string{"a": "", "b": "", "c": hostile, "d": ""})
			got, err := a.Analyze(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]analysis.Problem{{Path: "c", Message: reason}}, got.Skipped); diff != "" {
				t.Error(diff)
			}
			var done []string
			for _, d := range got.Dockerfiles {
				done = append(done, d.Path)
			}
			if diff := cmp.Diff([]string{"a", "b", "d"}, done); diff != "" {
				t.Error(diff)
			}
			// The next round does not try it again.
			var log bytes.Buffer
			a.Log = slog.New(slog.NewTextHandler(&log, nil))
			again, err := a.Analyze(t.Context(), req)
			if err != nil || log.Len() > 0 {
				t.Errorf("the second round: error %v, log %s", err, log.String())
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The parts of a request are joined as if it had been done in one: what a requirements file has is
// said once, and findings and suggestions point at each other.
func TestMergedReportIsThatOfOneRun(t *testing.T) {
	whole := behaviours["analyse"](t.Context(), request(map[string]string{"a": "", "b": "", "c": "", "s": ""}))
	var parts []analysis.Report
	for _, path := range []string{"a", "s", "c", "b"} {
		parts = append(parts, behaviours["analyse"](t.Context(), request(map[string]string{path: ""})))
	}
	if diff := cmp.Diff(merge([]analysis.Report{whole}), merge(parts)); diff != "" {
		t.Error(diff)
	}
	got := merge(parts)
	for i, f := range got.Findings {
		if f.Suggestion >= 0 && (got.Suggestions[f.Suggestion].Path != f.Path || !cmp.Equal(got.Suggestions[f.Suggestion].Findings, []int{i})) {
			t.Errorf("finding %d and its suggestion do not point at each other", i)
		}
	}
	if len(got.Findings) != 5 || len(got.Suggestions) != 4 {
		t.Errorf("%d findings (want 5), %d suggestions (want 4)", len(got.Findings), len(got.Suggestions))
	}
	if needs := merge([]analysis.Report{{Needs: []string{"y", "x"}}, whole, {Needs: []string{"x"}}}); !cmp.Equal(needs, analysis.Report{Needs: []string{"x", "y"}}) {
		t.Errorf("needs %v", needs)
	}
}

// TestMergedEditHoldsForAllReaders: another part finds nothing wrong with a file that it installs, and does not make the
// edit.
func TestMergedEditHoldsForAllReaders(t *testing.T) {
	part := func(dockerfile, manifest string, suggestion int) analysis.Report {
		r := analysis.Report{Dockerfiles: []analysis.Dockerfile{{Path: dockerfile, Manifests: []string{manifest}}}}
		if suggestion >= 0 {
			r.Findings = []analysis.Finding{{Rule: "unpinned-requirement", Path: manifest, Dockerfile: dockerfile, Suggestion: suggestion}}
			r.Suggestions = []analysis.Suggestion{{Path: manifest, Replacement: "flask==2.0.3", Findings: []int{0}}}
		}
		return r
	}
	for _, tt := range []struct {
		name  string
		other analysis.Report
		want  int
	}{
		{"reads another file", part("b", "other.txt", -1), 1},
		{"makes the edit too", part("b", "requirements.txt", 0), 1},
		{"finds nothing wrong", part("b", "requirements.txt", -1), 0},
	} {
		for _, parts := range [][]analysis.Report{{part("a", "requirements.txt", 0), tt.other}, {tt.other, part("a", "requirements.txt", 0)}} {
			got := merge(parts)
			if len(got.Suggestions) != tt.want || len(got.Findings) != 1 {
				t.Fatalf("%s: %d suggestions of %d findings", tt.name, len(got.Suggestions), len(got.Findings))
			}
			if f := got.Findings[0]; (f.Suggestion < 0) != (tt.want == 0) || (f.Withheld == analysis.SharedEdit) != (tt.want == 0) {
				t.Errorf("%s: suggestion %d, withheld %q", tt.name, f.Suggestion, f.Withheld)
			}
		}
	}
}

// The operator's secrets are in the parent's environment and must not be in the child's.
func TestChildHasNoEnvironment(t *testing.T) {
	t.Setenv("HITRATE_WEBHOOK_SECRET", "hunter2")
	got, err := analyzer("environment").Analyze(t.Context(), analysis.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Needs) > 0 {
		t.Errorf("the child's environment has %q", got.Needs)
	}
}

const sleepPath = "/bin/sleep" // the child has no PATH

// What a child started ends with it.
func TestGroupIsKilled(t *testing.T) {
	if _, err := os.Stat(sleepPath); err != nil || runtime.GOOS != "linux" {
		t.Skip("needs /bin/sleep and /proc")
	}
	a := analyzer("grandchild")
	a.Timeout = 5 * time.Second
	_, err := a.Analyze(t.Context(), analysis.Request{})
	var failed *FailedError
	if !errors.As(err, &failed) {
		t.Fatalf("error %v", err)
	}
	_, pid, found := strings.Cut(failed.Detail, "pid ")
	if !found {
		t.Fatalf("no process was started: %s", failed.Detail)
	}
	for range 50 {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %s is still there", pid)
}

// The bomb of BuildKit's frontend: 30 lines of ENV would take it 8 GB. The analysis refuses the file
// before BuildKit sees it; and where it did not, the child's limit would hold.
func TestNestedEnvBombInChild(t *testing.T) {
	bomb := "FROM scratch\nENV A0=xxxxxxxx\n"
	for i := 1; i <= 30; i++ {
		bomb += fmt.Sprintf("ENV A%d=${A%d}${A%d}\n", i, i-1, i-1)
	}
	for behaviour, reason := range map[string]string{"real": "expan", "buildkit": "more memory than hitrate spends"} {
		t.Run(behaviour, func(t *testing.T) {
			req := request(map[string]string{"Dockerfile": bomb, "other/Dockerfile": "FROM alpine:3.20\nRUN true\n"})
			got, err := analyzer(behaviour).Analyze(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Skipped) != 1 || got.Skipped[0].Path != "Dockerfile" || !strings.Contains(got.Skipped[0].Message, reason) {
				t.Errorf("skipped %v, want %q", got.Skipped, reason)
			}
			if len(got.Dockerfiles) != 1 || got.Dockerfiles[0].Path != "other/Dockerfile" {
				t.Errorf("looked at %v", got.Dockerfiles)
			}
		})
	}
}

func TestOutputIsBounded(t *testing.T) {
	_, err := analyzer("chatter").Analyze(t.Context(), analysis.Request{})
	var failed *FailedError
	if !errors.As(err, &failed) || !strings.Contains(failed.Detail, "report has more than") {
		t.Errorf("error %v", err)
	}
}

// A request of a large repository with its past, as large as package review makes it, fits under the
// limits of "hitrate compile", the runtime's own reservations included.
func TestLargeRequestFits(t *testing.T) {
	req := analysis.Request{Dockerfiles: []string{}}
	for i := range 100_000 {
		req.Tree = append(req.Tree, buildcontext.Entry{
			Path: fmt.Sprintf("some/directory/of/a/repository/with/long/names/of/directories/file-%d.py", i), Mode: "100644", Object: fmt.Sprintf("%040d", i), Size: 10_000,
		})
	}
	req.Base = req.Tree
	req.History = &analysis.History{Tree: req.Tree, Commits: make([]analysis.Commit, 200)}
	for i, e := range req.Tree[:50_000] {
		c := &req.History.Commits[i%200]
		c.Changes = append(c.Changes, analysis.Change{Old: e, New: e})
	}
	a := analyzer("echo-size")
	a.Timeout = 5 * time.Minute
	got, err := a.Analyze(t.Context(), req)
	if err != nil || !cmp.Equal(got.Needs, []string{"100000"}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// Whether a review is tried again is for the caller to know: what is not the Dockerfile's fault is
// not a *FailedError.
func TestMachineErrors(t *testing.T) {
	var failed *FailedError
	_, err := (&Analyzer{Executable: "/nonexistent/hitrate"}).Analyze(t.Context(), analysis.Request{})
	if err == nil || errors.As(err, &failed) {
		t.Errorf("no executable: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = analyzer("analyse").Analyze(ctx, request(map[string]string{"a": "sleep"}))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller gave up: %v", err)
	}
}

func TestPatienceEnds(t *testing.T) {
	a := analyzer("analyse")
	a.Timeout = 500 * time.Millisecond
	texts := map[string]string{}
	for i := range 12 {
		texts[fmt.Sprintf("%02d", i)] = "sleep"
	}
	got, err := a.Analyze(t.Context(), request(texts))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Skipped) != 12 {
		t.Errorf("%d of 12 skipped", len(got.Skipped))
	}
	untried := func(p analysis.Problem) bool { return strings.Contains(p.Message, "took all the time") }
	if !slices.ContainsFunc(got.Skipped, untried) {
		t.Errorf("every one was tried: %v", got.Skipped)
	}
}

func TestRunRefusesBadRequests(t *testing.T) {
	run := func(context.Context, analysis.Request) analysis.Report { return analysis.Report{} }
	for name, in := range map[string]string{"nothing": "", "no JSON": "x", "cut off": `{"tree":[`, "wrong": `{"tree":1}`} {
		if err := Run(t.Context(), Limits{}, strings.NewReader(in), io.Discard, run); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	var out bytes.Buffer
	if err := Run(t.Context(), Limits{}, strings.NewReader("{}"), &out, run); err != nil {
		t.Fatal(err)
	}
	var report analysis.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Error(err)
	}
}

// What a child has when its time is over still reaches the parent, who would kill it a little later.
func TestTimeEndsTheWorkNotTheReport(t *testing.T) {
	if left := DefaultTimeout - DefaultLimits().Time; left < time.Second || left > DefaultTimeout/2 {
		t.Errorf("a child has %v for its report", left)
	}
	late := func(ctx context.Context, _ analysis.Request) analysis.Report {
		select {
		case <-ctx.Done():
			return analysis.Report{Findings: []analysis.Finding{{Rule: "r", Withheld: "proving the edit took too long"}}}
		case <-time.After(time.Minute):
			return analysis.Report{}
		}
	}
	var out bytes.Buffer
	if err := Run(t.Context(), Limits{Time: time.Millisecond}, strings.NewReader("{}"), &out, late); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "took too long") {
		t.Errorf("the report is %s", out.String())
	}
}
