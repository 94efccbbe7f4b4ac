# make demo [FOR=20]   the main job on a simulated house; ends by itself after FOR seconds
# make test            the whole test suite
# make bench           measurements against the promises
# make lint            formatting, types, the import rule
# make clean           away with everything that these have made
#
# Each does its own set-up: a virtual environment in .venv and, where it may, what the system lacks.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test bench lint clean system
.DELETE_ON_ERROR:

VENV ?= .venv
# Tests that run at the same time. Most of them wait for a line or a clock, so more than there are processors.
WORKERS ?= 4
PY := $(VENV)/bin/python
# Tests are compiled once and not by each worker of each run, whatever the environment says of bytecode.
CACHED := env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(abspath $(VENV))/pycache
PIP := $(PY) -m pip --quiet --disable-pip-version-check
# Debian keeps daemons where a plain user's PATH does not look.
export PATH := $(PATH):/usr/sbin:/sbin

# A virtual environment whose interpreter is gone (an upgraded system, a moved folder) is made again.
ifneq ($(wildcard $(VENV)),)
ifneq ($(shell $(PY) -c 'import sys; print(sys.prefix != sys.base_prefix)' 2>/dev/null),True)
$(shell rm -f $(VENV)/*.stamp)
endif
endif

help:
	@sed -n 's/^# make/make/p' Makefile

demo: $(VENV)/demo.stamp system
	@$(VENV)/bin/meterpost demo $(if $(FOR),--for $(FOR))

test: $(VENV)/dev.stamp system
	@$(CACHED) $(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

bench: $(VENV)/dev.stamp system
	@$(PY) -m benchmarks $(ARGS)

lint: $(VENV)/dev.stamp
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports

clean:
	@rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# As root, or with sudo that asks for nothing; otherwise the command's result tells that it could not be done.
APT = set -e; as=; [ "$$(id -u)" = 0 ] || { sudo -n true 2>/dev/null || exit 1; as='sudo -n'; }; \
	command -v apt-get >/dev/null || exit 1; \
	$$as env DEBIAN_FRONTEND=noninteractive sh -c 'apt-get -qq update && apt-get -qq install -y --no-install-recommends '"$$packages" \
	</dev/null >/dev/null 2>&1

$(VENV)/venv.stamp:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'Python 3.11 or newer is needed: apt-get install python3'; exit 1; }
	@python3 -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo 'Installing python3-venv'; packages=python3-venv; ( $(APT) ); } || \
		{ echo 'python3-venv is needed: as root, apt-get install python3-venv'; exit 1; }
	@echo 'Setting up $(VENV)'
	@python3 -m venv --clear $(VENV)
	@touch $@

$(VENV)/demo.stamp: pyproject.toml $(VENV)/venv.stamp
	@echo 'Installing what the demo needs (once, a minute or so)'
	@$(PIP) install --editable '.[demo]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml $(VENV)/venv.stamp
	@echo 'Installing what the tests need (once, a minute or two)'
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/demo.stamp $@

# A real broker. Without it the demo takes amqtt, and the tests that need mosquitto are skipped and say so.
system:
	@command -v mosquitto >/dev/null || { echo 'Installing mosquitto'; packages=mosquitto; ( $(APT) ); } || \
		echo 'mosquitto is not here; as root: apt-get install mosquitto. Going on without it.'
