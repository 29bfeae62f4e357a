# Each target sets up what it needs (.venv, .toolchain) by itself and reuses what is there.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help new try test test-slice test-all lint format render regenerate bench mutants release env clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
TOOLS := $(BIN)/python -m tools
TEST := $(BIN)/python -m tests.run
# Much of what the tests do is waiting, for servers to start and for time to be over: one worker more than a small machine has cores.
WORKERS ?= 3
# Answers come from the command line (make new VARIANT=...) as they are, spaces and quotes included.
export DEST VARIANT DATA WATCH TESTS CHANGED SLICE WORKERS QUICK VERSION

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 19

# Without a question: make new DEST=../shop VARIANT=nest-typeorm DATA="kubernetes=true ci=gitlab"
new: $(READY) ## write a new service; DEST=, VARIANT= and DATA= answer
	@exec $(TOOLS) new --dest "$$DEST" --variant "$$VARIANT" --data "$$DATA"

try: $(READY) ## run a service in a scratch folder: VARIANT=nest-typeorm
	@exec $(TOOLS) try --variant "$$VARIANT" --data "$$DATA"

test: $(READY) ## run the tests; a part: VARIANT=x, CHANGED=1 or TESTS="..."
	@$(TEST) test --check
	@$(MAKE) --no-print-directory lint
	@exec $(TEST) test

test-slice: $(READY) ## run a slice of the other tests: SLICE=7, or its name
	@exec $(TEST) slice

test-all: lint ## run tests and slices that have not passed at this tree
	@exec $(TEST) all

lint: $(READY) ## check Python and YAML
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict copier.yml .pre-commit-config.yaml

format: $(READY) ## format Python
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

render: $(READY) ## render to .render/; VARIANT=x WATCH=1 repeats on change
	@exec $(TOOLS) render --variant "$$VARIANT" --watch "$$WATCH"

regenerate: $(READY) ## write lockfiles and OpenAPI documents; VARIANT=x
	@exec $(TOOLS) regenerate --variant "$$VARIANT"

# QUICK=1 shows that it works; VARIANT=copier measures copies only. It needs the machine for itself.
bench: $(READY) ## measure the figures of the README (an hour); VARIANT=x
	@exec $(TOOLS) bench --variant "$$VARIANT" --quick "$$QUICK"

mutants: $(READY) ## sabotage services; MUTANTS="--variant x --only 6"
	@exec $(BIN)/python -m tests.mutants $(MUTANTS)

release: $(READY) ## test, date, commit, tag and list VERSION=0.2.0
	@$(TOOLS) release --check --version "$$VERSION"
	@$(MAKE) test-all
	@exec $(TOOLS) release --version "$$VERSION"

env: $(READY) ## print the line that puts pinned Node and Bun on PATH
	@exec $(TOOLS) env

clean: ## remove what the targets above have made
	rm -rf .venv .toolchain .render .try

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Python 3.11 or newer is needed, and python3 is not: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@echo "Setting up .venv (a minute, once) ..." >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pip==26.3
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group dev
	@touch $@
