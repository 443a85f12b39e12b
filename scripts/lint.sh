#!/usr/bin/env bash
# gofmt, go vet and golangci-lint, whose linters (staticcheck among them) .golangci.yml names. The
# linter is built from the module proxy at the version that tools/golangci/go.mod pins.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(gofmt -l cmd config internal)
if [ -n "$unformatted" ]; then
  printf 'not formatted, run gofmt -w on:\n%s\n' "$unformatted" >&2
  exit 1
fi
go vet ./...
go tool -modfile=tools/golangci/go.mod golangci-lint run --timeout 10m ./...
