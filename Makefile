# `make demo` and `make test` are the only two commands that a newcomer needs.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: help demo test test-fast dev lint format lock security outdated bench doctor clean docs pango chromium prometheus redis
.DEFAULT_GOAL := help

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is %s: run make PYTHON=python3.12 demo" % sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies into $(VENV) (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python ci/zip_codes.py
	@touch $@

PANGO := libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0
pango:
	@$(PYTHON) -c 'import ctypes.util,sys; sys.exit(0 if ctypes.util.find_library("pango-1.0") else 1)' \
	  || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "installing Pango, which the reports' PDF needs ..." \
	    && { apt-get install -y -qq $(PANGO) || { apt-get update -qq && apt-get install -y -qq $(PANGO); }; } >/dev/null 2>&1; } \
	  || echo "note: Pango is not installed, so reports are made as HTML only. For the PDF: apt-get install $(PANGO)"

CHROMIUM := chromium
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	  || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "installing Chromium, in which the pages are tested ..." \
	    && { apt-get install -y -qq $(CHROMIUM) || { apt-get update -qq && apt-get install -y -qq $(CHROMIUM); }; } >/dev/null 2>&1; } \
	  || echo "note: Chromium is not installed, so pages are not tested in a browser. For that: apt-get install $(CHROMIUM)"

REDIS := redis-server
redis:
	@command -v redis-server >/dev/null \
	  || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "installing Redis, over which runs are spread in a test ..." \
	    && { apt-get install -y -qq $(REDIS) || { apt-get update -qq && apt-get install -y -qq $(REDIS); }; } >/dev/null 2>&1; } \
	  || echo "note: Redis is not installed, so runs over Celery are not tested. For that: apt-get install $(REDIS)"

PROMETHEUS := prometheus prometheus-alertmanager
prometheus:
	@{ command -v promtool && command -v prometheus-alertmanager; } >/dev/null \
	  || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "installing Prometheus and Alertmanager, by which the alerts are tested ..." \
	    && { apt-get install -y -qq --no-install-recommends $(PROMETHEUS) || { apt-get update -qq && apt-get install -y -qq --no-install-recommends $(PROMETHEUS); }; } >/dev/null 2>&1; } \
	  || echo "note: Prometheus is not installed, so the alerts are not tested. For that: apt-get install $(PROMETHEUS)"

demo: $(READY) pango ## Run two campaigns from target to mart against the vendor sandbox (three to five minutes on two cores)
	@$(BIN)/leadfactory demo

test: $(READY) pango chromium prometheus redis ## Run every test, and print how much of its written time budget each suite used
	@$(BIN)/python -m tests.run

SEEDS ?= 2000
simulate: $(READY) pango ## Play SEEDS random histories of faults, deaths and clock steps (make simulate SEEDS=20000)
	@$(BIN)/python -m tests.simulation.play --seeds $(SEEDS) --jobs 2

test-fast: $(READY) ## Run the tests that need no stack, no dbt and no server but Postgres (some ninety seconds on two cores)
	@$(BIN)/python -m tests.fast

dev: $(READY) ## Start Postgres, sandbox and Dagster; operators' UI at http://localhost:3333
	@$(BIN)/leadfactory dev

lint: $(READY) ## Ruff, mypy, the import arrows and sqlfluff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config pyproject.toml
	@$(BIN)/sqlfluff lint --disable-progress-bar dbt_project

format: $(READY) ## Format the code
	@$(BIN)/ruff check --fix-only . && $(BIN)/ruff format .

lock: $(READY) ## Resolve requirements.in into the hash-locked requirements.lock
	@$(BIN)/uv pip compile requirements.in --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links -o requirements.lock

security: $(READY) ## Look for dangers in code, files and dependencies; writes security_report.json and sbom.json (OFFLINE=1: advisories may be out of reach)
	@$(BIN)/python -m ci.security $(if $(OFFLINE),--offline-ok)

outdated: $(READY) ## List newer versions than the lock's, and the pin that holds each
	@$(BIN)/python ci/outdated.py

bench: $(READY) ## Run the benchmarks; each prints a ratio to a baseline of the same run
	@$(BIN)/python -m bench

docs: $(READY) ## Write the marts' documentation (models, columns, tests, lineage) and serve it at http://127.0.0.1:8580
	@$(BIN)/leadfactory warehouse docs

doctor: $(READY) ## Check every dependency of this machine
	@$(BIN)/leadfactory doctor

clean: ## Remove what demos and builds left (not .venv)
	@rm -rf .leadfactory dbt_project/target dbt_project/logs .pytest_cache .ruff_cache .mypy_cache
