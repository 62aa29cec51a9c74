# Everything runs from a virtual environment of its own; the first call makes it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: help demo test check generate sdks translations assets screenshots fuzz chaos bench serve format clean
.DEFAULT_GOAL := help

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## Integrate platforms over a marketplace, trade flexibility on real meter data, and leave a page about it
	$(BIN)/python -m examples.demo

test: $(VENV)/.dev check ## Run the checks and every test
	$(BIN)/python -m pytest --numprocesses auto

check: $(VENV)/.dev ## Run the linters, the type checker, the layer rules and the contract checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.contracts --check
	$(BIN)/python -m tools.compatibility
	$(BIN)/python -m tools.assets --check
	$(BIN)/python -m tools.translations --check
	$(BIN)/python -m tools.spectral
	$(BIN)/python -m tools.audit

generate: $(VENV)/.dev ## Generate models, handlers and clients from the contracts in openapi/
	$(BIN)/python -m tools.contracts

sdks: $(VENV)/.dev ## Generate the SDKs for Java, C# and TypeScript, and pack them as release artifacts
	$(BIN)/python -m tools.sdks

translations: $(VENV)/.dev ## Find the website's texts and bring the catalogues of other languages up to date
	$(BIN)/python -m tools.translations

assets: $(VENV)/.dev ## Make the website's files that come from packages: scripts, style sheets, outlines
	$(BIN)/python -m tools.assets

screenshots: $(VENV)/.dev ## Take the pictures of the website that the docs show, from a filled site
	$(BIN)/python -m tools.screenshots
	$(BIN)/python -m tools.conformance

fuzz: $(VENV)/.dev ## Fuzz every served contract at length: a million calls of a grammar, 2,000 cases each by schema
	$(BIN)/python -m tests.contract.fuzz --cases 2000
	$(BIN)/python -m tests.contract.storm --calls 1000000

chaos: $(VENV)/.dev ## Kill and disturb everything under load, 200 times over 100,000 events, and compare asked with done
	$(BIN)/python -m tests.chaos $(CHAOS)

bench: $(VENV)/.dev ## Measure what things cost, each beside something named
	$(BIN)/python -m benchmarks

serve: $(VENV)/.runtime ## Run the marketplace for good, on embedded defaults
	$(BIN)/flexagora serve

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what was installed and what runs have left
	rm -rf $(VENV) var build dist node_modules tools/*/node_modules sdk/*/node_modules tests/sdk/*/node_modules

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing what the marketplace and the platforms need ..."
	@$(PIP) install --constraint constraints.txt --editable '.[marketplace,metering,flexoffer]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing what the checks and tests need ..."
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.runtime
