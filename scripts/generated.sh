#!/usr/bin/env bash
# Fails where a generated file is not what its source says now.
set -euo pipefail
cd "$(dirname "$0")/.."

before=$(git status --porcelain)
stamp=$(git diff | git hash-object --stdin)
go generate ./...
if [ "$before" != "$(git status --porcelain)" ] || [ "$stamp" != "$(git diff | git hash-object --stdin)" ]; then
  echo "generated files are not current: run make generate and commit what it changes" >&2
  git status --short >&2
  exit 1
fi
echo "nothing to regenerate"
