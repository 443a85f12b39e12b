package octokit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var operations = []string{"GET /repos/{owner}/{repo}/pulls/{pull_number}", "POST /repos/{owner}/{repo}/check-runs"}

func TestContractIsKept(t *testing.T) {
	file := Assets(t, OpenAPIAsset)
	dir := t.TempDir()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, OpenAPIAsset)
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := LoadContract(copied, operations); err != nil {
			t.Fatal(err)
		}
		kept, err := filepath.Glob(filepath.Join(dir, "trimmed-*"))
		if err != nil || len(kept) != 1 {
			t.Fatalf("kept %v, error %v", kept, err)
		}
		if info, err := os.Stat(kept[0]); err != nil || info.Size() > 1<<20 {
			t.Errorf("the trimmed description has %d bytes, error %v", info.Size(), err)
		}
	}
}

func TestBadContract(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"not-json": "nothing", "no-operations": `{"openapi":"3.0.3","paths":{}}`, "odd": `{"paths":[1],"components":"x"}`} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadContract(file, operations); err == nil {
			t.Errorf("%s was loaded", name)
		}
	}
	if _, err := LoadContract(filepath.Join(dir, "nowhere"), operations); err == nil {
		t.Error("a missing file was loaded")
	}
}

// tb notes what a test was told.
type tb struct {
	testing.TB
	said string
}

func (t *tb) Logf(format string, args ...any)   { t.said += "log " + format }
func (t *tb) Skipf(format string, args ...any)  { t.said += "skip " + format; panic(t) }
func (t *tb) Fatalf(format string, args ...any) { t.said += "fail " + format; panic(t) }

func TestMissingAssets(t *testing.T) {
	t.Setenv("HITRATE_NPM_ASSETS", t.TempDir())
	run := func(f func(TB)) (said string) {
		fake := &tb{TB: t}
		defer func() {
			if r := recover(); r != nil && r != any(fake) {
				panic(r)
			}
			said, _, _ = strings.Cut(fake.said, " ")
		}()
		f(fake)
		return
	}
	asset := func(t TB) { Assets(t, WebhooksAsset) }
	optional := func(t TB) { OptionalContract(t, operations) }
	for ci, want := range map[string][2]string{"": {"skip", "log"}, "true": {"fail", "fail"}} {
		t.Setenv("CI", ci)
		if got := [2]string{run(asset), run(optional)}; got != want {
			t.Errorf("CI=%q: %q, want %q", ci, got, want)
		}
	}
}
