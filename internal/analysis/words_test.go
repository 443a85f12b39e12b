package analysis_test

import (
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/analysis"
)

// TestWordsOfDoubt: an install of which the proof finds that it may read more than its manifests is not said to
// read only these.
func TestWordsOfDoubt(t *testing.T) {
	const certain = "reads only"
	for _, tt := range []struct {
		name  string
		file  string
		more  map[string]string
		doubt bool
	}{
		{"manifests alone", "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\n", map[string]string{"package.json": `{}`, "package-lock.json": "{}"}, false},
		{"a hook", "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\n", map[string]string{
			"package.json": `{"scripts": {"postinstall": "patch-package"}}`, "package-lock.json": "{}", "patches/left-pad.patch": "x",
		}, true},
		{"files of a conda environment", "FROM continuumio/miniconda3:24.1.2-0\nWORKDIR /app\nCOPY . .\nRUN conda env create -f environment.yml\n", map[string]string{
			"environment.yml": "dependencies:\n- pip:\n  - -r requirements.txt\n", "requirements.txt": "flask\n",
		}, true},
		{"a module in a folder", "FROM golang:1.22\nWORKDIR /app\nCOPY . .\nRUN go mod download\nRUN go build ./...\n", map[string]string{
			"go.mod": "module shop\nreplace example.org/money => ./money\n", "go.sum": "", "money/go.mod": "module example.org/money\n",
		}, true},
		{"a workspace", "FROM golang:1.22\nWORKDIR /app\nCOPY . .\nRUN go mod download\nRUN go build ./...\n", map[string]string{
			"go.mod": "module shop\n", "go.sum": "", "go.work": "use .\nuse ./money\n", "money/go.mod": "module example.org/money\n",
		}, true},
		{"the default of an argument", "FROM python:3.12\nARG REQUIREMENTS=requirements.txt\nWORKDIR /app\nCOPY . .\nRUN pip install -r $REQUIREMENTS\n", map[string]string{
			"requirements.txt": "flask==3.0\n",
		}, true},
		{"a directory in a variable", "FROM python:3.12\nENV PIP_FIND_LINKS=/app/wheels\nWORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt\n", map[string]string{
			"requirements.txt": "flask==3.0\n", "wheels/flask-3.0-py3-none-any.whl": "x",
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{"Dockerfile": tt.file, "app.py": "x", ".dockerignore": ".git\nnode_modules\n"}
			for name, text := range tt.more {
				files[name] = text
			}
			for _, f := range newRepository(files).analyse(t, analysis.Request{}).Findings {
				if f.Rule != "copy-before-install" {
					continue
				}
				if why := f.Why.String(); strings.Contains(why, certain) == tt.doubt {
					t.Errorf("it says %q, with the edit withheld for %q", why, f.Withheld)
				}
				return
			}
			t.Error("nothing is said")
		})
	}
}
