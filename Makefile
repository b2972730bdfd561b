# make help · demo · test · check · engines · monitoring · bench · soak · update · package · sbom · audit · image
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := build/tools
IMAGE_BUILD ?= docker build
MONITORED ?= trino-476

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

monitoring: $(STAMP) ## a real server with the JMX agent, Prometheus with every rule, Alertmanager; MONITORED="prestosql-338 trino-476"
	$(BIN)/python -m tests.engines.jmx $(MONITORED)
	$(BIN)/python -m tests.engines.monitoring $(MONITORED)

bench: $(STAMP) ## what a poll, a scrape and the memory cost, as ratios
	$(BIN)/python -m bench

soak: $(STAMP) ## a simulated month in which everything goes wrong, in minutes
	$(BIN)/python -m tests.soak

update: $(STAMP) ## rewrite golden files; the diff is the review
	UPDATE=1 $(BIN)/python -m pytest -q tests

$(TOOLS)/.installed:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check build cyclonedx-bom pip-licenses pip-audit
	@touch $@

package: $(TOOLS)/.installed ## wheel and sdist in dist/, installed and tried in an empty environment
	rm -rf dist build/installed
	$(TOOLS)/bin/python -m build --outdir dist
	$(PYTHON) -m venv --without-pip build/installed
	$(TOOLS)/bin/python -m pip --python build/installed/bin/python install --quiet --disable-pip-version-check \
		-c constraints.txt dist/*.whl
	build/installed/bin/presto-query-exporter --version

sbom: package ## what is installed with it, as dist/sbom.cdx.json (CycloneDX) and dist/licences.md
	$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --spec-version 1.6 \
		--output-file dist/sbom.cdx.json build/installed/bin/python
	$(TOOLS)/bin/pip-licenses --python=build/installed/bin/python --from=mixed --format=markdown \
		--partial-match --fail-on="GNU;GPL" --output-file=dist/licences.md

audit: $(TOOLS)/.installed ## known weaknesses of what is installed; asks pypi.org
	$(TOOLS)/bin/pip-audit --strict --disable-pip --no-deps -r constraints.txt

image: ## the image presto-query-exporter; IMAGE_BUILD="podman build" for another builder
	$(IMAGE_BUILD) --build-arg REVISION="$$(git rev-parse HEAD)" \
		--build-arg VERSION="$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' exporter/__init__.py)" -t presto-query-exporter .

clean: ## forget the environment and the caches
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .coverage *.egg-info

.PHONY: help demo test check engines monitoring bench soak update package sbom audit image clean
