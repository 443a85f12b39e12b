# Two commands are all that a newcomer needs: make run, make test.

GO ?= go
ARGS ?=
FUZZTIME ?= 60s

.PHONY: run test build lint generate screenshot fuzz bench lab corpus vuln

## run: the whole main job with nothing but Go and git; ARGS=--once exits after printing
run:
	$(GO) run ./cmd/bot demo $(ARGS)

## test: everything that this machine can check; what was left out is named at the end
test:
	./scripts/test.sh

## build: the binary
build:
	$(GO) build -o hitrate ./cmd/bot

## lint: gofmt, go vet and golangci-lint (with staticcheck), as .golangci.yml says
lint:
	./scripts/lint.sh

## generate: the rules' pages, the README's table and the JSON Schema from the rules
generate:
	$(GO) generate ./...

## screenshot: the picture in the README, from the demo's page (needs chromium)
screenshot:
	HITRATE_CHROMIUM=$$(command -v chromium) HITRATE_SCREENSHOT=$(CURDIR)/docs/review.png $(GO) test -count=1 -run TestDemoPage ./cmd/bot

## fuzz: every fuzz target for FUZZTIME each
fuzz:
	FUZZTIME=$(FUZZTIME) ./scripts/fuzz.sh

## bench: the benchmarks, ready for benchstat, then whole processes beside a peer (from npm) on the Dockerfiles
## of the work trees below HITRATE_CORPUS, else on those of the test archives
bench:
	$(GO) test -run '^$$' -bench . -benchmem -count=6 ./...
	./scripts/bench-peers.sh

## lab: the whole laboratory, against a BuildKit daemon of its own (Linux, root); HITRATE_LAB_REPOS and
## HITRATE_LAB_TREES name real repositories and work trees for it, see lab/doc.go
lab:
	cd lab && HITRATE_LAB=all $(GO) test -count=1 -timeout 180m -v .

## corpus: every suggestion on the work trees below HITRATE_CORPUS, alone and together, with the totals
corpus:
	$(GO) test -count=1 -run TestCorpus -timeout 30m -v ./internal/analysis

## vuln: known vulnerabilities in what we depend on (needs the network)
vuln:
	$(GO) tool -modfile=tools/vuln/go.mod govulncheck ./...
