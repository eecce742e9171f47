# hakube: make targets. "make" alone explains them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unreleased)

# Debian packages that real machines, lint, the walkthrough and the page of the embedded GCE (chromium) need,
# and those that completion, the manual and --json are tested with.
PACKAGES := git mmdebstrap runc nftables iproute2 e2fsprogs util-linux kmod gcc libc6-dev shellcheck chromium jq bash-completion zsh fish mandoc groff
# Other people's clients of Compute Engine, for "make test"; see testdata/clients.sh too.
CLIENTS := python3-libcloud python3-cryptography ansible python3-google-auth python3-requests
root := $(shell [ "$$(uname -s)" = Linux ] && [ "$$(id -u)" = 0 ] && echo yes)

# How long "make fuzz" gives to each of its targets.
FUZZTIME ?= 10m

# How many nodes "make large" replaces.
NODES ?= 1000

# Where "make live" runs, and whether it asks before.
ZONE ?= us-central1-b
LIVE = $(if $(YES),-yes) $(if $(DOWN),-down) $(if $(OUT),-out=$(OUT))

.PHONY: linted conformance test-upgrade test-drills long large upstream live mutants help build check test fuzz demo bench replay lint golden tools release clean

help: ## say what there is to make
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/hakube
	$(GO) build -trimpath -ldflags '-s -w -X main.linked=$(VERSION)' -o bin/hakube ./cmd/hakube

# What it says of the same files is the same: it costs half of what "make check" takes.
lint: ## go vet (for macOS too), staticcheck, errcheck, shellcheck, gofmt; once a day for the same files
	@.ci/once.sh $(MAKE) --no-print-directory linted

linted:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./... # or what only Linux has gets into what macOS runs
	$(GO) tool staticcheck ./...
	$(GO) tool errcheck -ignoretests -exclude .ci/errcheck.txt ./...
	.ci/vulnerabilities.sh
	@if command -v shellcheck >/dev/null; then shellcheck -x $$(git ls-files '*.sh' ':!scripts/startup') .ci/run && cat scripts/startup/*.sh | shellcheck -s bash -; \
	else echo "shellcheck skipped: not installed (make tools, as root on Debian)"; fi

# More packages and tests at a time than cores, and lint beside them, which vets: half of their time is
# waiting. Their files are in memory where there is room: a tenth of their time was the disk's.
check: ## the quick tests: vet, lint, units, stories on model machines, no real ones (two minutes on two cores)
	@$(MAKE) --no-print-directory lint & lint=$$!; code=0; n=$$(getconf _NPROCESSORS_ONLN); \
	GOGC=800 .ci/in-memory.sh $(GO) test -short -vet=off -ldflags='-s -w' -p $$((n + 2)) -parallel $$((8 * n)) ./... || code=$$?; \
	wait $$lint || { code=$$?; echo "make lint failed: its words are above"; }; exit $$code

# Real machines take the cores meanwhile: of more tests of model machines at a time none would
# come to its turn before its limits.
test: PACKAGES += $(CLIENTS)
test: tools build ## everything, the longest in short forms, with real machines where there are root and Linux; installs what it needs
	@$(MAKE) --no-print-directory lint
ifeq ($(root),yes)
	testdata/clients.sh bin/clients
	bin/hakube local prepare --addons
else
	@echo "real machines are skipped: they need Linux and root"
endif
	SHORT_FORMS=1 $(GO) test -count=1 -vet=off -parallel $$((2 * $$(getconf _NPROCESSORS_ONLN))) -timeout 80m -v ./... 2>&1 | testdata/summarize.sh bin/test.log

test-drills: tools build ## every drill there is, on model machines and, as root, on three real masters (half an hour); pages in bin/drills
	$(GO) test ./cluster ./cluster/drill ./scripts -count=1 -vet=off -v -run 'Drill|Register'
ifeq ($(root),yes)
	bin/hakube local prepare
	HAKUBE_DRILLS="3 all" $(GO) test ./cmd/hakube -count=1 -vet=off -v -run 'TestRealDrills$$' -timeout 60m
endif

test-upgrade: tools build ## a cluster goes through all minors of Kubernetes, on model machines and, as root, three real masters and two nodes (an hour the first time)
	$(GO) test ./cluster ./cluster/upgrade ./scripts -count=1 -vet=off -v -run 'Upgrade|Rules|KeepRings|Taken'
ifeq ($(root),yes)
	bin/hakube local prepare --kubernetes=v1.37.2 --kubernetes=v1.35.4
	$(GO) test ./cmd/hakube -count=1 -vet=off -v -run 'Test(RealUpgrade|TakenIsTrue|MinorsReadEachOther)$$' -timeout 60m
endif

long: tools build ## what "make test" has in short forms, whole: every cut, and the longest on real machines (an hour and a half)
	$(GO) test ./cluster -count=1 -vet=off -v -run 'Test(Matrix|RepairCut|RestoreCut|CutSweep|DrillCut|EitherWay|BesideHalfRemoved)$$' -timeout 90m
ifeq ($(root),yes)
	bin/hakube local prepare
	$(GO) test ./cmd/hakube -count=1 -vet=off -v -run 'Test(RealHA|RealRoll|RealGrouped|RealRepair|RealUsed|RealBackup(OfThree)?|MultizoneWorkers)$$' -timeout 90m
endif

fuzz: ## feed every parser of foreign input with what nobody sends, FUZZTIME=10m for each
	@grep -l '^func Fuzz' $$(git ls-files '*_test.go') | xargs -n 1 dirname | sort -u | while read -r package; do \
	for target in $$(sed -n 's/^func \(Fuzz[A-Za-z]*\)(.*/\1/p' "$$package"/*_test.go); do \
	echo "$$package $$target for $(FUZZTIME)"; $(GO) test "./$$package" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s; \
	done; done

demo: tools build ## a real one-zone cluster on this machine, used, taken down, and proof that nothing is left
	testdata/demo.sh bin/hakube

bench: tools ## measure: create, the ten commands, dark times, pools, start-up, memory
	$(GO) test -run '^$$' -bench . -benchtime=1x -timeout 60m ./cmd/hakube

replay: ## make the requests in RECORDINGS=FILE (or a directory) again and compare with what Google answered
	HAKUBE_RECORDINGS="$(abspath $(RECORDINGS))" $(GO) test -count=1 -v -run "TestReplay|TestUnrecorded" ./gce/gcetest

live: build ## try hakube on PROJECT= of yours at Google, ten minutes, everything taken down; makes live.json
	$(GO) build -trimpath -o bin/live ./cmd/live
	$(GO) test -c -o bin/conformance ./gce/gcetest
	bin/live -project="$(PROJECT)" -zone="$(ZONE)" -suite=bin/conformance $(LIVE)

large: ## replace a pool of NODES=1000 model nodes, 50 at a time, cut off on the way (five minutes)
	POOL_NODES="$(NODES)" $(GO) test ./cluster -count=1 -v -run 'TestLargePoolChanged$$' -timeout 60m

upstream: tools build ## run some of Kubernetes' own conformance tests on a real cluster (ten minutes the first time)
	bin/hakube local prepare --conformance
	$(GO) test ./cmd/hakube -count=1 -v -run 'TestUpstream$$' -timeout 40m

conformance: tools build ## Kubernetes' own e2e, and its tests of balancers and volumes, on 3 masters and 3 real nodes (an hour); ONLY=volumes FOCUS=regexp
	bin/hakube local prepare --addons --conformance
	HAKUBE_CONFORMANCE="$(abspath bin/upstream)" HAKUBE_CONFORMANCE_ONLY="$(ONLY)" HAKUBE_CONFORMANCE_FOCUS="$(FOCUS)" \
	$(GO) test ./cmd/hakube -count=1 -vet=off -v -run 'TestConformance$$' -timeout 5h

mutants: ## make one wrong edit after the other and see that a test near it fails (minutes)
	ONLY="$(ONLY)" $(GO) run .ci/mutants.go

golden: ## rewrite cmd/hakube/README.md's table (and fail, so that CI cannot)
	HAKUBE_GOLDEN=write $(GO) test ./cmd/hakube -run TestReadme
	HAKUBE_GOLDEN=write $(GO) test ./cluster -run TestModesPicture

tools: ## install the Debian packages this needs (root on Debian only)
ifeq ($(root),yes)
	@missing=(); for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'install ok' || missing+=($$p); done; \
	if [ $${#missing[@]} -gt 0 ]; then echo "installing $${missing[*]}"; \
	export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null; fi
else
	@echo "no packages are installed: that needs root on Debian"
endif

release: ## make VERSION=v0.1.0 of a clean main: all tests, CHANGELOG, tag, and the files to give away in release/
	.ci/release.sh "$(VERSION)"

clean: ## remove what build made
	rm -rf bin release
