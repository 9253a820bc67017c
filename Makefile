# `make demo` and `make test` do all the set-up there is; nothing else is to be installed by hand.
# Another Python: make demo PYTHON=python3.12. Another place for the environment: make demo VENV=/tmp/venv.

VENV ?= .venv
BIN = $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo dev test lint unit format docs corpus bench clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/.base  ## ingest the sample files through Dagster and search them
	@$(BIN)/connectors demo

dev: $(VENV)/.base  ## the Dagster UI and daemon on your connectors.yaml, in the foreground
	@$(BIN)/connectors dev

test: lint unit  ## everything that is checked: lint, types, layers, the whole test suite

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

format: $(VENV)/.dev  ## write the code the way `make test` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev  ## write the reference pages anew from the models
	$(BIN)/python -m connector_pipelines.pipeline.reference > docs/reference/configuration.md

corpus: $(VENV)/.dev  ## take the real files of CORPUS_DIR through the whole path, and compare with what other tools say of them
	$(BIN)/python -m tests.corpus

bench: $(VENV)/.dev  ## measure, and print ratios
	$(BIN)/python -m benchmarks

clean:  ## remove the environment, not your data
	rm -rf $(VENV) .mypy_cache .ruff_cache build dist *.egg-info

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer with venv was found. fix: install one (Debian: apt install python3-venv), or name it: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	@echo "making the environment $(VENV) with $(PYTHON) …"
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/.base: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing connector-pipelines …"
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing connector-pipelines with everything its tests need …"
	@$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.base
