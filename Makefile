# make run     sets up everything and starts the product with a demonstration prefecture
# make test    sets up and runs every test
# make check   what CI runs: format, vet, lint, generated code, tests, screens, demonstration and drill
# make         lists everything else

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
DEMO    := data/demo
WEB     := portal/web

# The product is pure Go. Whatever compiles it does so in the same way, so that it is
# compiled once. The race detector of the tests needs a C compiler, and where there
# is none the tests run without it.
PURE    := CGO_ENABLED=0 GOFLAGS="$$GOFLAGS -trimpath"
GOBUILD := $(PURE) go build -v -ldflags '-s -w -X main.version=$(VERSION)'
RACE     = $(shell command -v gcc >/dev/null && echo -race)
LINT    := $(PURE) go tool -modfile=tools/go.mod golangci-lint
BENCHSTAT := $(PURE) go tool -modfile=tools/go.mod benchstat

# What "make test-long" gives each fuzz target.
FUZZTIME ?= 30s

.PHONY: help
help: ## This list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 12

.PHONY: run
run: packages-run build ## Set up everything and start the demonstration on this machine (Ctrl-C ends it)
	@echo "== demonstration in $(DEMO)"
	@exec bin/sekikura demo --data $(DEMO)

.PHONY: packages-run packages-test
packages-run packages-test: packages-%:
	@echo "== Debian packages"
	@tools/packages $*
	@command -v go >/dev/null || { echo "  absent: go. Install Go 1.26 or newer from https://go.dev/dl/"; exit 1; }
	@command -v npm >/dev/null || echo "  absent: node and npm. The portal's screens are not built, the API works; see https://nodejs.org/"

.PHONY: build
build: web binaries ## Build bin/sekikura and bin/sekikura-worker with the portal's screens inside

.PHONY: binaries
binaries:
	@echo "== programs $(VERSION)"
	@mkdir -p bin
	@$(GOBUILD) -o bin/ ./cmd/... 2>&1 | { n=0; while IFS= read -r line; do case $$line in \
		*[\ :\#]*) echo "$$line" ;; \
		*) n=$$((n + 1)); [ $$((n % 50)) != 0 ] || echo "  $$n packages compiled" ;; esac; done; }

# The screens: dist is written only when a source is newer. Without Node the
# program is built all the same and its portal says that it has no screens.
.PHONY: web
ifneq ($(shell command -v npm),)
web: $(WEB)/dist/index.html
else
web: ; @echo "== screens: not built, Node is absent"
endif

$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json
	@echo "== packages of the screens"
	cd $(WEB) && npm ci --no-audit --no-fund
	@touch $@

$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(shell find $(WEB) portal/text -type f \
		-not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/test/*' -not -name '*.go' 2>/dev/null)
	@echo "== screens"
	cd $(WEB) && npm run build -- --logLevel warn

.PHONY: test
test: packages-test web ## Set up and run every test
	@: >test-results/counts 2>/dev/null || { mkdir -p test-results; : >test-results/counts; }
	@$(MAKE) --no-print-directory check-tests
	@$(MAKE) --no-print-directory check-screens

.PHONY: check
check: ## What CI runs; every step is also a target of its own: check-format, check-vet, …
	@tools/steps format vet lint generated build tests user screens demo

.PHONY: check-format check-vet check-lint check-generated check-build check-tests check-user check-screens check-demo
check-format:
	@$(LINT) fmt --diff ./...
	@bad=$$(git ls-files 'tools/*' .ci/run | xargs grep -l '^#!.*bash' | xargs -n1 sh -c 'bash -n "$$0" || echo "$$0"'); [ -z "$$bad" ]

check-vet:
	$(PURE) go vet ./...

check-lint:
	$(LINT) run ./...

# Generated code is committed; generating it again must change nothing. Compares
# before and after, so that it can be run on a tree with changes of one's own.
check-generated: web
	@before=$$(git status --porcelain; git diff); \
	$(MAKE) --no-print-directory generate; \
	after=$$(git status --porcelain; git diff); \
	if [ "$$before" != "$$after" ]; then \
		echo "make generate changed these files: commit what it wrote"; \
		diff <(echo "$$before") <(echo "$$after"); exit 1; fi

check-build: build
	bin/sekikura version

# Debian keeps servers, such as nginx, where only root looks for them.
check-tests:
	@tools/peers
	@PATH="$$PATH:/usr/sbin:$(CURDIR)/bin/peers" tools/gotest $(RACE) -timeout 20m ./...

# Once more without root, where root ran them: what touches users, files and processes.
check-user:
	@tools/as-user ./role/... ./store

check-screens: web
ifneq ($(shell command -v npm),)
	cd $(WEB) && npm run typecheck && npm test
else
	@echo "Node is absent: the screens are not tested"; [ "$${CI:-}" != true ]
endif

# The product as a user starts it, then the acceptance drill against it, then the
# browser test against it.
check-demo: build
	@tools/demo

.PHONY: test-long
test-long: ## Tests that take long: every fuzz target for FUZZTIME, and tests behind the tag "long"
	go test -tags long -timeout 3h ./...
	cd test/11-crs && go test -timeout 1h .
	@tools/fuzz $(FUZZTIME)

.PHONY: bench
bench: binaries ## Print benchmark tables; BENCH=path/... for one folder, COUNT=10 for benchstat
	@mkdir -p test-results
	@go test -run '^$$' -bench . -benchmem -count $(or $(COUNT),1) $(or $(BENCH),./...) | grep -v -e '^ok ' -e '^PASS' -e 'no test files' | tee test-results/bench.txt
	@$(BENCHSTAT) test-results/bench.txt
	@cd test/11-crs && go test -count 1 -run '^TestCPUForARequest$$' -args -cpu
	@bin/sekikura bench

.PHONY: generate
generate: ## Write generated code anew
	$(PURE) go generate ./...
ifneq ($(shell command -v npm),)
	cd $(WEB) && npm run generate
endif
