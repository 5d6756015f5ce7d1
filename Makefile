# `make demo` and `make test` are all that a fresh machine with Python and pip needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

# TensorFlow's start-up chatter hides what a newcomer should see.
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help demo check test test-slow bench lock clean

help:
	@echo "make demo       train, probe, export and load back on 5,000 digits (minutes)"
	@echo "make test       lint, types, import contract, doctests, tests"
	@echo "make test-slow  the tests that take longer"
	@echo "make bench      a training step beside TensorFlow, PyTorch and JAX (minutes)"
	@echo "make lock       write constraints.txt anew from setup.cfg"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A stamp an extra: a second call installs nothing unless the declarations changed.
$(VENV)/installed-%: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing keras_infomax[$*] into $(VENV) (once; a few minutes)"
	$(INSTALL) ".[$*]"
	@touch $@

demo: $(VENV)/installed-programs
	$(BIN)/python -m trainers.demo --workdir=runs/demo

check: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# In two processes: much of the time is spent waiting for programs that tests start.
test: check
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal

# An environment of its own: PyTorch and JAX bring libraries that TensorFlow has, too.
.venv-bench/installed: benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --requirement $<
	@touch $@

bench: $(VENV)/installed-test .venv-bench/installed
	$(BIN)/python -m benchmarks.training --peers_python=.venv-bench/bin/python
	$(BIN)/python -m benchmarks.overheads

test-slow: $(VENV)/installed-test
	$(BIN)/python -m pytest -m slow --numprocesses=2 --dist=worksteal

lock:
	rm -rf .lock
	$(PYTHON) -m venv .lock
	.lock/bin/python -m pip install --quiet ".[test]"
	{ echo "# Written by make lock; what make demo and make test install."; \
	  .lock/bin/python -m pip freeze --all --exclude pip --exclude keras_infomax; } > constraints.txt
	rm -rf .lock

clean:
	rm -rf $(VENV) .venv-bench build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
