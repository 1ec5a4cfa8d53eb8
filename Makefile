# The developer's whole vocabulary. Every target does all the set-up it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export UV_PYTHON_DOWNLOADS := never
# Else each of the many processes that are started compiles all it imports, for seconds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test acceptance browser faults lint types docs shell bench compat soak check-skips apt
help:
	@echo "make run | test | acceptance | browser | faults | lint | types | docs | shell | bench NAME=… [OPTIONS=--quick] | compat SUITE=… [FILE=…] | soak"

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@echo "Installing uv …" && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/run.stamp: requirements/run.txt | $(BIN)/python
	@echo "Installing the locked packages …"
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements/run.txt
	@deploy/install-libvirt-python $(BIN)
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo "Installing the test packages …"
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

# Keystone's packages don't mix with ours: an environment of its own for the tests that ask a real one.
$(VENV)/keystone.stamp: requirements/keystone.txt | $(BIN)/python
	@echo "Installing Keystone for the tests …"
	@$(BIN)/uv venv -q --clear --python $(BIN)/python $(VENV)/keystone
	@$(BIN)/uv pip install -q --python $(VENV)/keystone/bin/python --no-deps --require-hashes -r $<
	@touch $@

run: $(VENV)/run.stamp
	@exec $(BIN)/python manage.py up

apt:
	@deploy/install-test-packages

lint: $(VENV)/dev.stamp
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache >/dev/null && echo "lint: 3 passed, 0 failed"

types: $(VENV)/dev.stamp
	@$(BIN)/mypy

# libvirt's bindings are built against its headers, so Debian's packages come first.
test: apt $(VENV)/dev.stamp $(VENV)/keystone.stamp
	@deploy/install-libvirt-python $(BIN)
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache >/dev/null
	@$(BIN)/mypy
	@$(BIN)/python manage.py makemigrations --check --dry-run 2>/dev/null
	@deploy/run-tests $(BIN) "not soak and not fault and not browser and not acceptance"

# Whole houses of processes, the README's own commands among them.
acceptance: apt $(VENV)/dev.stamp $(VENV)/keystone.stamp
	@deploy/run-tests $(BIN) "acceptance and not browser and not soak"

# Pages in a real Chromium, up to a whole running house.
browser: apt $(VENV)/dev.stamp
	@deploy/run-tests $(BIN) "browser and not soak"

# Real processes, servers and connections broken on purpose: tests/faults/README.md. One after the
# other: what is promised of recovery is promised of a machine that has nothing else to do.
faults: apt $(VENV)/dev.stamp
	@deploy/run-tests $(BIN) "fault and not soak" 1

shell: $(VENV)/run.stamp
	@$(BIN)/python manage.py shell

docs: $(VENV)/dev.stamp
	@$(BIN)/python manage.py spectacular --fail-on-warn --file docs/reference/openapi.yaml && echo "docs/reference/openapi.yaml written"

bench: $(VENV)/dev.stamp $(if $(wildcard requirements/bench-$(NAME).txt),$(VENV)/bench-$(NAME).stamp)
	@test -f bench/$(NAME).py || { echo "make bench NAME=… with one of: $$(grep -l __main__ bench/*.py | xargs -n1 basename -s .py | tr '\n' ' ')"; exit 1; }
	@$(BIN)/python -m bench.$(NAME) $(OPTIONS)

# Each outside suite and each benchmark's peer in an environment of its own, at locked versions.
$(VENV)/%.stamp: requirements/%.txt | $(BIN)/python
	@echo "Installing what $* needs …"
	@$(BIN)/uv venv -q --clear --python $(BIN)/python $(VENV)/$*
	@$(BIN)/uv pip install -q --python $(VENV)/$*/bin/python --no-deps --require-hashes -r $<
	@touch $@

compat: $(VENV)/dev.stamp $(if $(SUITE),$(VENV)/compat-$(SUITE).stamp)
	@$(BIN)/python -m tests.compat $(SUITE) $(FILE)

soak: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest -m soak -q
