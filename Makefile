# make demo · make test: everything else is below. A fresh machine needs Python 3.11 to 3.13 and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test test-browser test-codex test-hosts test-vllm test-changes accuracy lint texts clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## the virtual environment with everything pinned

$(STAMP): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Python %d.%d found; 3.11 to 3.13 is needed: make PYTHON=python3.11 …" % v)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing what requirements-dev.txt pins into $(VENV) (a minute or two, once)"
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

demo: $(STAMP) ## the incident on this machine: a hanging server is started, diagnosed and stopped
	@$(BIN)/python -m simulator.demo

test: $(STAMP) ## unit, module, simulator and playbook tests; what this machine cannot do is skipped by name
	@$(BIN)/python -m pytest -q -m "not hosts and not vllm and not accuracy"

test-codex: $(STAMP) ## the real Codex CLI beside what we send and say of it (the first time downloads 142 MB)
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -r requirements-codex.txt
	@$(BIN)/python -m pytest -q -m codex

test-browser: $(STAMP) ## the pages of reports in Debian's chromium (as root on Debian it is installed when missing)
	@command -v chromium >/dev/null || ! command -v apt-get >/dev/null || test "$$(id -u)" != 0 || \
		{ apt-get update --quiet && DEBIAN_FRONTEND=noninteractive \
		apt-get install --quiet --yes --no-install-recommends chromium fonts-dejavu-core cmark-gfm; } || true
	@$(BIN)/python -m pytest -q tests/browser

test-hosts: $(STAMP) ## real systemd hosts over real ssh (root; the first time debootstraps, minutes)
	@$(BIN)/python -m pytest -q -m hosts

test-vllm: $(STAMP) ## a real vLLM on real hosts, every fault (root; the first time installs 3.4 GB)
	@$(BIN)/python -m pytest -q -s -m "vllm and not accuracy and not changes"

test-changes: $(STAMP) ## restarts and audits of a real vLLM on a real host (STREAMDIAG_CHANGES=short: the most telling ones)
	@$(BIN)/python -m pytest -q -m "changes$(if $(STREAMDIAG_CHANGES), and short)"

accuracy: $(STAMP) ## the whole fault catalogue, false alarms included (STREAMDIAG_ACCURACY=simulator: without real hosts)
	@$(BIN)/python -m pytest -q -m "accuracy$(if $(filter simulator,$(STREAMDIAG_ACCURACY)), and not vllm)" --tb=short

lint: $(STAMP) ## ruff, mypy --strict, ansible-lint with profile production
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/ansible-lint --strict --offline

texts: $(STAMP) ## list the texts of reports anew, and bring their translations in line (roles/report/texts)
	@$(BIN)/python -m tests.texts

clean: ## remove the virtual environment and caches (reports stay)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .ansible
