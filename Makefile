# make help · demo · test · check · engines · bench · update
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP) ## a coordinator of our own with a lively workload, and the exporter in front of it
	$(BIN)/presto-query-exporter demo

test: $(STAMP) ## every test that needs nothing but Python
	$(BIN)/python -m pytest

check: $(STAMP) ## types, lint, format, and branch coverage of the pure modules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.coverage_of_pure_modules

engines: $(STAMP) ## real PrestoSQL, Trino and PrestoDB servers (Java 17 and 25, Maven); ENGINES="prestosql-338 trino-483"
	$(BIN)/python -m tests.engines $(ENGINES)

bench: $(STAMP) ## what a poll, a scrape and the memory cost, as ratios
	$(BIN)/python -m bench

update: $(STAMP) ## rewrite golden files; the diff is the review
	UPDATE=1 $(BIN)/python -m pytest -q tests

clean: ## forget the environment and the caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage *.egg-info

.PHONY: help demo test check engines bench update clean
