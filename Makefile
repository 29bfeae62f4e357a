# Each target sets up what it needs (.venv, .toolchain) by itself and reuses what is there.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help new try test lint format render regenerate bench mutants release env clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
TOOLS := $(BIN)/python -m tools
# Much of what the tests do is waiting, for servers to start and for time to be over: one worker more than a small machine has cores.
WORKERS ?= 3
# Answers come from the command line (make new VARIANT=...) as they are, spaces and quotes included.
export DEST VARIANT DATA WATCH TESTS QUICK VERSION

help: ## what there is
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

new: $(READY) ## a new service; asks, or: make new DEST=../shop VARIANT=nest-typeorm DATA="kubernetes=true ci=gitlab"
	@exec $(TOOLS) new --dest "$$DEST" --variant "$$VARIANT" --data "$$DATA"

try: $(READY) ## a service running in a scratch folder: make try VARIANT=nest-typeorm (Ctrl-C ends it)
	@exec $(TOOLS) try --variant "$$VARIANT" --data "$$DATA"

test: lint ## everything is proven; part of it: make test TESTS="tests/test_questions.py -k slug"
	$(BIN)/pytest -n $(WORKERS) $(TESTS)

lint: $(READY) ## Python, YAML and the templates' own rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict copier.yml .pre-commit-config.yaml

format: $(READY) ## Python, formatted
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

render: $(READY) ## every variant with its defaults under .render/; VARIANT=x WATCH=1 renders again on change
	@exec $(TOOLS) render --variant "$$VARIANT" --watch "$$WATCH"

regenerate: $(READY) ## lockfiles and OpenAPI documents of the variants, after a change of package.json or the API
	@exec $(TOOLS) regenerate --variant "$$VARIANT"

bench: $(READY) ## the figures of the README, measured here (8 minutes); QUICK=1 shows in one that it works; VARIANT=copier: copies alone
	@exec $(TOOLS) bench --variant "$$VARIANT" --quick "$$QUICK"

mutants: $(READY) ## each check of the scorecard fails on its sabotaged service
	@exec $(BIN)/python -m tests.mutants $(MUTANTS)

release: $(READY) ## dates, commits, tags and lists a version that passes: make release VERSION=0.2.0
	@$(TOOLS) release --check --version "$$VERSION"
	@$(MAKE) test
	@exec $(TOOLS) release --version "$$VERSION"

env: $(READY) ## prints the line for a shell that puts the pinned Node 24, npm and Bun first on PATH
	@exec $(TOOLS) env

clean: ## removes what the targets above have made
	rm -rf .venv .toolchain .render .try

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Python 3.11 or newer is needed, and python3 is not: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@echo "Setting up .venv (a minute, once) ..." >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pip==26.3
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group dev
	@touch $@
