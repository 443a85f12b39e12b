package dockerfile

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBaseImage(t *testing.T) {
	tests := []struct {
		name, file     string
		args           map[string]string
		image, missing string // of the last stage
	}{
		{"plain", "FROM python:3.12", nil, "python:3.12", ""},
		{"default", "ARG V=3.12\nFROM python:${V}-slim", nil, "python:3.12-slim", ""},
		{"given", "ARG V=3.12\nFROM python:$V", map[string]string{"V": "3.9"}, "python:3.9", ""},
		{"missing", "ARG V\nFROM python:${V}", nil, "python:${V}", "V"},
		{"never declared", "FROM python:${V}", nil, "python:${V}", "V"},
		{"given, but never declared", "FROM python:${V}", map[string]string{"V": "3"}, "python:${V}", "V"},
		{"default in the word", "FROM python:${V:-3.12}", nil, "python:3.12", ""},
		{"one of two", "ARG A=x\nFROM $A/$B", nil, "$A/$B", "B"},
		{"quoted", `FROM "python:3.12"`, nil, "python:3.12", ""},
		{"argument in a stage is another scope", "FROM a\nARG V=1\nFROM python:$V", nil, "python:$V", "V"},
		{"platform", "FROM img-$TARGETARCH", nil, "img-amd64", ""},
		{"platform given", "FROM img-$TARGETARCH", map[string]string{"TARGETARCH": "arm64"}, "img-arm64", ""},
		{"refused by the lexer", "FROM python:${V?needed}", nil, "python:${V?needed}", "V"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := mustParse(t, tt.file)
			image, missing := f.BaseImage(f.Stages[len(f.Stages)-1], tt.args)
			if image != tt.image || missing != tt.missing {
				t.Errorf("got %q, missing %q; want %q, missing %q", image, missing, tt.image, tt.missing)
			}
		})
	}
}

func TestStages(t *testing.T) {
	const file = `ARG FLAVOUR=full
FROM alpine AS base
FROM base AS full
ONBUILD COPY --from=assets /a /a
FROM base AS lite
FROM alpine AS assets
FROM alpine AS tools
FROM ${FLAVOUR} AS final
COPY --from=0 /x /x
RUN --mount=from=tools,target=/tools make
COPY --from=alpine:3 /y /y
FROM Base AS image
FROM alpine AS base
`
	f := mustParse(t, file)
	indexes := func(stages []*Stage) string {
		var out []int
		for _, s := range stages {
			out = append(out, s.Index)
		}
		return fmt.Sprint(out)
	}
	tests := []struct {
		name, target    string
		args            map[string]string
		needed, shipped string
	}{
		{"through a default", "final", nil, "[0 1 3 4 5]", "[5 1 0]"},
		{"through an argument", "final", map[string]string{"FLAVOUR": "lite"}, "[0 2 4 5]", "[5 2 0]"},
		{"target in capitals", "FINAL", map[string]string{"FLAVOUR": "lite"}, "[0 2 4 5]", "[5 2 0]"},
		{"a name in capitals is an image", "image", nil, "[6]", "[6]"},
		{"the later of two", "base", nil, "[7]", "[7]"},
		{"the last one", "", nil, "[7]", "[7]"},
		{"unknown", "nowhere", nil, "[]", "[]"},
		{"a number is no target", "1", nil, "[]", "[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.needed, indexes(f.Needed(tt.target, tt.args))); diff != "" {
				t.Errorf("needed, -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tt.shipped, indexes(f.Shipped(tt.target, tt.args))); diff != "" {
				t.Errorf("shipped, -want +got:\n%s", diff)
			}
		})
	}
}
