package octokit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// TB is what this package needs of a testing.TB, so that it need not import testing.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// The files that scripts/npm-assets.sh fetches.
const (
	OpenAPIAsset  = "api.github.com.json"    // GitHub's OpenAPI description
	WebhooksAsset = "webhooks-examples.json" // GitHub's examples of webhook payloads
)

// assetHint says how to get the files.
const assetHint = "run scripts/npm-assets.sh (make test does), or set HITRATE_NPM_ASSETS to a folder that has it"

// Assets returns the path of a file that npm packages of GitHub's bring (OpenAPIAsset,
// WebhooksAsset): from the folder HITRATE_NPM_ASSETS, or .cache/npm under the repository's root.
// Where it is missing the test is skipped, with the reason; with CI=true it fails.
func Assets(t TB, name string) string {
	t.Helper()
	file, err := findAsset(name)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%v: %s", err, assetHint)
	default:
		t.Skipf("left out: what needs GitHub's own %s: %v: %s", name, err, assetHint)
	}
	return file
}

// RequireContract returns GitHub's contract of some operations, or skips the test where its file is
// missing (with CI=true: fails).
func RequireContract(t TB, operations []string) *Contract {
	t.Helper()
	file := Assets(t, OpenAPIAsset)
	contract, err := contracts(file, operations)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return contract
}

// OptionalContract returns GitHub's contract of some operations; where its file is missing the test goes on
// without it and says so (with CI=true: fails).
func OptionalContract(t TB, operations []string) *Contract {
	t.Helper()
	if _, err := findAsset(OpenAPIAsset); err != nil && os.Getenv("CI") != "true" {
		t.Logf("left out: requests and answers are not held against GitHub's OpenAPI description: %v: %s", err, assetHint)
		return nil
	}
	return RequireContract(t, operations)
}

// contracts loads each file once for all tests of the process.
var contracts = func() func(string, []string) (*Contract, error) {
	var mu sync.Mutex
	loaded := map[string]*Contract{}
	return func(file string, operations []string) (*Contract, error) {
		mu.Lock()
		defer mu.Unlock()
		key := file + " " + strings.Join(operations, " ")
		if c, ok := loaded[key]; ok {
			return c, nil
		}
		c, err := LoadContract(file, operations)
		if err == nil {
			loaded[key] = c
		}
		return c, err
	}
}()

// findAsset looks for a file in the folder of assets.
func findAsset(name string) (string, error) {
	folder := os.Getenv("HITRATE_NPM_ASSETS")
	if folder == "" {
		root, err := moduleRoot()
		if err != nil {
			return "", err
		}
		folder = filepath.Join(root, ".cache", "npm")
	}
	file := filepath.Join(folder, name)
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf("find %s: %w", name, err)
	}
	return file, nil
}

// moduleRoot is the folder of go.mod above the working directory, which is a test's package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find the repository: no go.mod above the working directory")
		}
		dir = parent
	}
}
