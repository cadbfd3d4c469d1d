# One command runs the service, one tests it. `make help` lists them.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALL := $(PY) -m pip install -qq --disable-pip-version-check --no-input --require-hashes
JOURNEYS := tests/journey tests/faults
COMPILE := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-annotate --custom-compile-command "make requirements"

.DEFAULT_GOAL := help
.PHONY: help run test check types secrets lint sbom bench faults format assets requirements

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/run-installed ## start the service with a demo rota on http://127.0.0.1:8000 (PORT=...)
	@exec $(PY) tools/run.py

# Journeys wait for processes most of the time, so two go on at once; those that measure seconds run
# alone. A fixed hash seed makes every test process collect alike.
# A process that dies ends the run: pytest-xdist can wait for ever for one that took its place.
test: $(VENV)/dev-installed ## fetch what the tests need and run them all (NO_BROWSER=1 leaves the browser out)
	@$(PY) tools/fetch_test_needs.py
	PYTHONHASHSEED=0 $(PY) -m pytest -m "not journey" -n auto --dist loadfile --max-worker-restart=0 --cov
	PYTHONHASHSEED=0 $(PY) -m pytest $(JOURNEYS) -m "not alone" -n 2 --maxschedchunk=1 --max-worker-restart=0
	$(PY) -m pytest $(JOURNEYS) -m alone

# Two at once: types and secrets take half a minute of one core each.
check: $(VENV)/dev-installed ## lint, format, types, import contracts, templates, migrations, security
	@$(MAKE) --no-print-directory -j2 types secrets lint

types:
	$(PY) -m mypy

secrets:
	$(PY) -m tools.check_secrets

lint:
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	PYTHONPATH=. $(VENV)/bin/lint-imports --no-logo
	$(PY) -m djlint templates --lint --quiet
	$(PY) -m tools.check_migrations
	$(PY) -m bandit -q -c pyproject.toml -r callback_service tools wsgi.py gunicorn.conf.py

sbom: $(VENV)/dev-installed ## list what the service is made of: sbom.json, as CycloneDX has it
	@$(PY) -m tools.sbom sbom.json

bench: $(VENV)/dev-installed ## measure against the goals: a table, and bench.json
	@PYTHONPATH=. $(PY) -m tools.bench --json bench.json

faults: $(VENV)/dev-installed ## break things on purpose: a table, and faults.json
	@$(PY) tools/fetch_test_needs.py
	@PYTHONPATH=. $(PY) -m tools.faults --json faults.json

format: $(VENV)/dev-installed ## put the code into the house format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

assets: frontend/node_modules/.package-lock.json ## build the styles and scripts (needs npm)
	cd frontend && npm run --silent build

requirements: $(VENV)/dev-installed ## pin the direct dependencies with hashes (UPGRADE=1 takes the newest)
	$(COMPILE) $(if $(UPGRADE),--upgrade) requirements.in -o requirements.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) requirements-dev.in -o requirements-dev.txt

$(VENV)/made:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed, and $(PYTHON) was not found."; exit 1; }
	@$(PYTHON) tools/check_python.py
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/run-installed: requirements.txt | $(VENV)/made
	@echo "Installing what the service needs ..."
	@$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/dev-installed: requirements-dev.txt requirements.txt | $(VENV)/made
	@echo "Installing what the checks and tests need ..."
	@$(INSTALL) -r requirements-dev.txt
	@touch $(VENV)/run-installed $@

frontend/node_modules/.package-lock.json: frontend/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed to build the styles, and was not found."; exit 1; }
	cd frontend && npm ci --silent
	@touch $@
