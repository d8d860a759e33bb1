# SPDX-License-Identifier: MIT
#
# What this project does, by name. `make` alone lists it.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c

GO            ?= go
GOLANGCI_LINT ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# make test LABEL=Q124565 runs the specs of one bug. make fuzz FUZZTIME=10m looks longer.
LABEL    ?=
FUZZTIME ?= 30s

# How long stacks are kept under fire.
FIRE ?= 15s

# How many pairs of runs a comparison of whole processes is made of.
PAIRS ?= 7

# Packages without a suite of specs, which the Ginkgo command has nothing to do for.
PLAIN  := harness/mutants,harness/walls,harness/peers
GINKGO := $(GO) tool ginkgo -p --randomize-all --fail-on-pending --junit-report=junit.xml --output-dir=artifacts

# A whole run must not leave a suite empty; a run of one label leaves most of them so, but not all.
ifeq ($(LABEL),)
SPECS   = $(GINKGO) --fail-on-empty
MATCHED = true
else
SPECS   = $(GINKGO) --silence-skips --label-filter='$(LABEL)'
MATCHED = grep -q 'status="passed"' artifacts/junit.xml || { echo "no spec has the label $(LABEL)" >&2; exit 1; }
endif

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/nbtlab
	$(GO) build -trimpath -o bin/nbtlab ./harness/cmd/nbtlab

.PHONY: run
run: build ## reproduce every bug and compare with the recorded captures
	bin/nbtlab verify

.PHONY: test
test: ## every spec in random order, then everything under the race detector (LABEL=Q124565: only that bug's specs)
	$(SPECS) -r --keep-going --skip-package=$(PLAIN)
	@$(MATCHED)
ifeq ($(LABEL),)
	$(GO) test -race -shuffle=on ./...
endif

.PHONY: race
race: ## everything under the race detector
	$(GO) test -race -shuffle=on ./...

.PHONY: scenarios
scenarios: ## the scenarios alone (LABEL=Q124565: only that bug's)
	$(SPECS) ./scenarios
	@$(MATCHED)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s) each
	@grep -rlE --include='*_test.go' '^func Fuzz[A-Z]' . | xargs -n1 dirname | sort -u | while read -r dir; do \
		for target in $$($(GO) test -list='^Fuzz' $$dir | grep '^Fuzz'); do \
			echo "$$dir $$target"; \
			$(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=20x $$dir </dev/null; \
		done; \
	done

.PHONY: bench
bench: ## every benchmark (installs tshark, which some are held against, on Debian as root)
	@harness/wireshark.sh
	@$(GO) test -run='^$$' -bench=. -benchmem \
		$$(grep -rlE --include='*_test.go' '^func Benchmark[A-Z]' . | xargs -n1 dirname | sort -u)

.PHONY: bench-decode
bench-decode: ## decode --stats of a million packets against tshark and capinfos (installs them on Debian as root)
	harness/wireshark.sh
	$(GO) test -run='^$$' -bench='^BenchmarkDecode$$' -benchtime=$(PAIRS)x ./harness/cmd/nbtlab
	$(GO) test -run='^$$' -bench='^BenchmarkNBNS$$' ./harness/nbtlayers

.PHONY: bench-replay
bench-replay: ## explain of a million packets against tshark (installs it on Debian as root)
	harness/wireshark.sh
	$(GO) test -run='^$$' -bench='^BenchmarkExplain$$' -benchtime=$(PAIRS)x ./harness/cmd/nbtlab

.PHONY: test-captures
test-captures: ## hold what decode reads in NBTLAB_CAPTURES=dir against what tshark dissects there, field by field
	harness/captures.sh

.PHONY: lint
lint: ## the linters, the walls between the packages, formatting, go vet, go fix, go mod tidy
	$(GO) mod tidy -diff
	$(GO) vet -tags=oracle,peers ./...
	$(GO) fix -diff -tags=oracle,peers ./...
	$(GOLANGCI_LINT) fmt --diff
	$(GOLANGCI_LINT) run

.PHONY: fmt
fmt: ## format the code
	$(GOLANGCI_LINT) fmt

.PHONY: fix
fix: ## rewrite code as the current Go would have it, and what else the linters can repair
	$(GO) fix -tags=oracle,peers ./...
	$(GOLANGCI_LINT) run --fix

.PHONY: update
update: build ## record the captures again (the only target that changes recordings: review the diff)
	bin/nbtlab record

.PHONY: record-check
record-check: build ## recording the captures again would change nothing
	bin/nbtlab record --check

.PHONY: test-oracle
test-oracle: ## tshark judges the recorded captures (installs it on Debian as root)
	harness/oracle.sh

.PHONY: test-peers
test-peers: ## real clients and real stacks in private network namespaces (root; installs Samba and others on Debian)
	NBTLAB_FIRE=$(FIRE) harness/peers.sh $(ARGS)

.PHONY: bench-live
bench-live: ## serve against nmbd, and live sockets against tcpreplay, along the same path (root; installs them on Debian)
	harness/peers.sh bench -benchtime=1x

.PHONY: mutants
mutants: ## break the model in every place, one at a time, and list what no test notices (ARGS='-sample 50 -seed 1')
	$(GO) run ./harness/mutants $(ARGS)

.PHONY: cover
cover: ## coverage of the packages by all the tests, in artifacts/cover.html
	@mkdir -p artifacts
	$(GO) test -coverpkg=./harness/... -coverprofile=artifacts/cover.out ./...
	$(GO) tool cover -html=artifacts/cover.out -o artifacts/cover.html
	@$(GO) tool cover -func=artifacts/cover.out | tail -1

.PHONY: check
check: ## exactly what CI runs
	.ci/run

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf bin artifacts
