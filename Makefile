# Every target makes the environment it needs: only make and Python 3.11 or newer are assumed.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
PYTHON := .venv/bin/python
# `make X PYTHON_FOR_VENV=/path/to/python` chooses another one.
PYTHON_FOR_VENV ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { command -v "$$p"; break; }; done)
# One file for every platform and every Python from 3.11 on.
COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header \
	--generate-hashes

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint bench chaos fuzz pages screenshots mutants honest lock browser generator clean
# One target at a time: several of them install into the same environment.
.NOTPARALLEL:

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

demo: .venv/installed ## From nothing to a champion model, then 20 scores: about a minute.
	@$(PYTHON) manage.py demo

serve: .venv/installed ## The admin, a worker and the scheduler on this machine.
	@$(PYTHON) manage.py serve

test: .venv/installed-dev .venv-s3/installed browser generator ## What the pipeline runs: layers, lint, types, every test.
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy .
	@$(PYTHON) -m tests.dead_code
	@$(PYTHON) -m pytest -n auto --durations=15

lint: .venv/installed-dev ## Format, lint, types, dead code and the layers between the rooms.
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy .
	@$(PYTHON) -m tests.dead_code
	@.venv/bin/lint-imports --no-logo

bench: .venv/installed-dev generator ## The figures of speed, as ratios within one run.
	@$(PYTHON) -m benchmarks

chaos: .venv/installed-dev .venv-s3/installed generator ## Kill workers 200 times and servers at work, then count every row.
	@SEEDBED_CHAOS_KILLS=200 $(PYTHON) -m pytest -m chaos --timeout=7200
	@SEEDBED_CHAOS_KILLS=200 $(PYTHON) -m pytest tests/project/test_deploy.py

fuzz: .venv/installed-dev ## Put poison into every field, filter, address and argument.
	@SEEDBED_FUZZ=full $(PYTHON) -m pytest -n auto -k "poison or dead_end" tests/project tests/overview

pages: .venv/installed-dev browser ## Look at every page: queries, axe, what is cut; into var/pages.
	@$(PYTHON) -m tests.pages

screenshots: .venv/installed-dev browser ## Take the pictures in docs/screenshots anew.
	@$(PYTHON) -m tests.pages screenshots

mutants: .venv/installed-dev .venv-s3/installed ## Break every rule of tests/mutants once, and see the tests notice.
	@$(PYTHON) -m tests.mutants.run

honest: .venv/installed-dev ## Try what the figures claim by simulation; into docs/honesty.md.
	@$(PYTHON) -m tests.honesty

lock: .venv/installed-dev ## Compile requirements.in and requirements-dev.in into the pinned files.
	@$(COMPILE) requirements.in --output-file requirements.txt
	@$(COMPILE) --constraint requirements.txt requirements-dev.in --output-file requirements-dev.txt
	@$(COMPILE) requirements-s3.in --output-file requirements-s3.txt

clean: ## Stop the embedded servers and remove what was made, the data under var/ excepted.
	@if [ -x $(PYTHON) ]; then $(PYTHON) manage.py services stop || true; \
		SEEDBED_VAR="$$PWD/var/test" $(PYTHON) manage.py services stop || true; fi
	@rm -rf .venv .venv-s3 .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache var/test
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ -d var ]; then echo "Your data stays in var/; remove it by hand if you mean to."; fi

# --- The environment -----------------------------------------------------------------------------

# A stamp holds the digest of what was installed: times of files say little after a checkout.
.venv/installed: requirements.txt | .venv/bin/python
	@$(call install,requirements.txt)

.venv/installed-dev: requirements-dev.txt requirements.txt | .venv/bin/python
	@$(call install,requirements-dev.txt)
	@touch .venv/installed

# The S3 server of the tests, which does not resolve beside what runs.
.venv-s3/installed: requirements-s3.txt | .venv/bin/python
	@if [ ! -x .venv-s3/bin/python ]; then \
		if command -v uv >/dev/null 2>&1 && uv venv --quiet --python $(PYTHON) .venv-s3; then :; \
		else $(PYTHON) -m venv .venv-s3; fi; fi
	@$(call install,requirements-s3.txt)

define install
	sum=$$(cksum < $(1)); into=$(@D)/bin/python; \
	if [ "$$(cat $@ 2>/dev/null)" = "$$sum" ]; then touch $@; else \
		echo "Installing $(1) into $(@D) ..."; \
		if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then \
			uv pip install --quiet --require-hashes --python $$into -r $(1); \
		else \
			$$into -m pip --version >/dev/null 2>&1 || $$into -m ensurepip --upgrade >/dev/null; \
			$$into -m pip install --quiet --require-hashes --disable-pip-version-check -r $(1); \
		fi && echo "$$sum" > $@; fi
endef

.venv/bin/python:
	@if [ -z "$(PYTHON_FOR_VENV)" ]; then \
		if command -v uv >/dev/null 2>&1 && uv venv --quiet --python '>=3.11' .venv; then exit 0; fi; \
		echo "Seedbed needs Python 3.11 or newer; none was found on the PATH." >&2; \
		echo "Install one (Debian: apt-get install python3 python3-venv), then run make again." >&2; \
		exit 1; fi; \
	if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python "$(PYTHON_FOR_VENV)" .venv; \
	elif "$(PYTHON_FOR_VENV)" -c 'import venv, ensurepip' >/dev/null 2>&1; then \
		"$(PYTHON_FOR_VENV)" -m venv .venv; \
	else \
		echo "$(PYTHON_FOR_VENV) comes without the modules venv and ensurepip." >&2; \
		echo "On Debian and Ubuntu: apt-get install python3-venv. Then run make again." >&2; \
		exit 1; fi

# What loads the API, and what puts the clock of a process wrong.
generator:
	@if ! { command -v wrk && ls /usr/lib/*/faketime; } >/dev/null 2>&1 \
		&& [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing wrk, which loads the API, and libfaketime ..."; \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk libfaketime; } \
		>/dev/null 2>&1 || echo "wrk and libfaketime could not be installed; what needs them says so." >&2; fi

# The tests that drive a browser: skipped with a reason without one, but never in the pipeline.

browser: .venv/bin/python
	@$(PYTHON) -m tests.pages.axe
	@if ! command -v chromedriver >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing Chromium for the browser tests ..."; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends chromium chromium-driver; } >/dev/null 2>&1 \
		|| echo "Chromium could not be installed; the browser tests will say so." >&2; fi
