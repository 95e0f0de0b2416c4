# `make help` lists what there is. Needs: a Rust toolchain, a C compiler, Python >= 3.11 with pip and venv. The rest is
# fetched into .venv; compiled Rust goes to a cache outside the clone.

PYTHON ?= python3
CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cacheness/target

VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
REQUIREMENTS := py-magic/requirements-dev.txt notebooks/requirements.txt
CONSTRAINTS := py-magic/constraints.txt
RUST := $(shell find core/src py-magic/src -name '*.rs') Cargo.toml Cargo.lock core/Cargo.toml py-magic/Cargo.toml
TYPED := notebooks tests docs py-magic/benches

export CARGO_TARGET_DIR
export VIRTUAL_ENV := $(VENV)
export PYO3_PYTHON := $(BIN)/python
export PATH := $(BIN):$(PATH)
unexport CONDA_PREFIX

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help build demo lab test test-rust test-python lint lint-rust lint-python test-matrix fmt bench screenshots clean

heading = @printf '\n== %s\n' "$(1)"

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: $(VENV)/.package ## make the virtual environment and build the package into it

demo: build ## run the flights notebook cold, again, and after an edit; show what was restored
	@$(BIN)/python notebooks/demo.py

lab: build $(VENV)/.lab ## open the flights notebook in JupyterLab (installed on first use)
	@$(BIN)/jupyter-lab notebooks/flights.ipynb

test: lint docs test-rust test-python ## formatting, lints, the documentation, and all tests of both languages

lint: lint-rust lint-python ## formatting and lints, warnings as errors

lint-rust: $(VENV)/.requirements
	$(call heading,Rust: formatting)
	@cargo fmt --all --check
	$(call heading,Rust: clippy)
	@cargo clippy --release --workspace --all-targets --quiet -- -D warnings

lint-python: build
	$(call heading,Python: ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	$(call heading,Python: types)
	@cd py-magic && $(BIN)/mypy
	@$(BIN)/mypy $(TYPED)
	$(call heading,Python: stubs against the compiled module)
	@cd py-magic && $(BIN)/stubtest --concise --mypy-config-file pyproject.toml cacheness._cacheness

test-rust: $(VENV)/.requirements
	$(call heading,Rust: tests)
	@cargo test --release --workspace --quiet

test-python: build $(VENV)/.tutorials $(if $(shell command -v chromium),$(VENV)/.lab)
	$(call heading,Python: tests)
	@$(BIN)/python -m pytest -rs py-magic/tests tests

docs: build $(VENV)/.docs ## build the documentation site into site/; warnings are errors
	$(call heading,Documentation)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

test-matrix: build ## the cells' scenarios under other interpreters (MATRIX=python…, each with pytest, IPython, ipykernel and the libraries)
	@for python in $(MATRIX); do \
	  $$python -c 'import sys, IPython, ipykernel; print("== Python", sys.version.split()[0], "IPython", IPython.__version__, "ipykernel", ipykernel.__version__)'; \
	  PYTHONPATH=$(CURDIR)/py-magic/python $$python -m pytest -q tests/test_cells.py; \
	done

fmt: $(VENV)/.requirements ## format Rust and Python
	@cargo fmt --all
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: build $(VENV)/.bench ## compare with the usual alternatives, measure the tables of docs/measurements (BENCH=--quick: less data)
	@$(BIN)/python py-magic/benches/bench.py $(BENCH)
	@$(BIN)/python py-magic/benches/tables.py $(BENCH)
	@$(BIN)/python py-magic/benches/metadata.py $(BENCH)

screenshots: build $(VENV)/.lab ## photograph the flights notebook in JupyterLab for the documentation (needs Chromium)
	@$(BIN)/python tests/lab/tour.py docs/screenshots

clean: ## remove what was built here and the demo's cache; compiled Rust stays in CARGO_TARGET_DIR
	@rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache py-magic/.mypy_cache py-magic/.pytest_cache py-magic/.ruff_cache
	@rm -f py-magic/python/cacheness/*.so
	@rm -rf "$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cacheness/demo"
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: each step runs again only when a file that it depends on is newer.

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "cacheness needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || echo not found). Try: make PYTHON=python3.12 …" >&2; exit 1; }
	@command -v cargo >/dev/null || { echo "cacheness needs a Rust toolchain: cargo was not found in PATH." >&2; exit 1; }
	$(call heading,Virtual environment in .venv)
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.requirements: $(VENV)/.python $(REQUIREMENTS) $(CONSTRAINTS)
	$(call heading,Python packages)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) $(REQUIREMENTS:%=--requirement %)
	@touch $@

$(VENV)/.bench: $(VENV)/.requirements py-magic/benches/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --requirement py-magic/benches/requirements.txt
	@touch $@

$(VENV)/.tutorials: $(VENV)/.requirements tests/fidelity/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --requirement tests/fidelity/requirements.txt
	@touch $@

$(VENV)/.lab: $(VENV)/.requirements tests/lab/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --requirement tests/lab/requirements.txt
	@touch $@

$(VENV)/.docs: $(VENV)/.requirements docs/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --requirement docs/requirements.txt
	@touch $@

$(VENV)/.package: $(VENV)/.requirements $(RUST) py-magic/pyproject.toml
	$(call heading,The package: Rust$(comma) release profile)
	@cd py-magic && $(BIN)/maturin develop --release >/dev/null
	@touch $@

comma := ,
