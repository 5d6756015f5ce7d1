# `make demo` and `make test` are all that a fresh machine with Python and pip needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

.PHONY: help demo check test test-oldest test-jax test-torch test-nightly test-slow bench docs \
  release lock clean

help:
	@echo "make demo       train, probe, export and load back on 5,000 digits (minutes)"
	@echo "make test       lint, types, import contract, doctests, tests"
	@echo "make test-jax   what runs on JAX; make test-torch, what runs on PyTorch"
	@echo "make test-oldest  the tests, with the lowest versions that setup.cfg declares"
	@echo "make test-nightly  the tests, with tonight's Keras; they may fail"
	@echo "make test-slow  the tests that take longer"
	@echo "make bench      a training step beside TensorFlow, PyTorch and JAX (minutes)"
	@echo "make docs       build the documentation site, and run all of its code (minutes)"
	@echo "make release    build, check, install and try what would be uploaded (minutes)"
	@echo "make lock       write constraints.txt anew from setup.cfg"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Tests read their files alone; what aeon would bring holds NumPy and pandas back.
DATA = --no-deps aeon statsmodels

# A stamp an extra: a second call installs nothing unless the declarations changed.
$(VENV)/installed-%: setup.cfg setup.py pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing keras_infomax[$*] into $(VENV) (once; a few minutes)"
	$(INSTALL) ".[$*]"
	$(if $(filter test,$*),$(BIN)/python -m pip install --quiet --constraint constraints.txt $(DATA))
	@touch $@

demo: $(VENV)/installed-programs
	$(BIN)/keras-infomax demo --workdir=runs/demo

check: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# In more processes than cores: much of the time is spent waiting, for programs that tests
# start and for replicas that take turns. Each takes up to 4 GiB.
WORKERS ?= 3
test: check
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal

# What runs on each backend, `make test` has TensorFlow's; an environment for each.
.venv-%/installed: tests/requirements-%.txt setup.cfg constraints.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --constraint constraints.txt \
	  --requirement $< --editable ".[test]"
	@touch $@

test-jax test-torch: test-%: .venv-%/installed
	KERAS_BACKEND=$* .venv-$*/bin/python -m pytest tests \
	  --numprocesses=$(WORKERS) --dist=worksteal

# The lowest versions, whose own warnings are no errors of ours. TESTS may name fewer.
.venv-oldest/installed: tests/requirements-oldest.txt setup.cfg
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --constraint $< --editable ".[test]"
	@touch $@

# Keras of the night in the place of Keras; pip would keep both.
.venv-nightly/installed: setup.cfg constraints.txt
	$(PYTHON) -m venv .venv-nightly
	.venv-nightly/bin/python -m pip install --quiet --constraint constraints.txt \
	  --editable ".[test]"
	.venv-nightly/bin/python -m pip uninstall --quiet --yes keras
	.venv-nightly/bin/python -m pip install --quiet --pre --no-deps keras-nightly
	@touch $@

TESTS ?= tests keras_infomax
test-oldest test-nightly: test-%: .venv-%/installed
	.venv-$*/bin/python -m pytest $(TESTS) --numprocesses=$(WORKERS) --dist=worksteal

# An environment of its own: PyTorch and JAX bring libraries that TensorFlow has, too.
.venv-bench/installed: benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --requirement $<
	@touch $@

bench: $(VENV)/installed-test .venv-bench/installed
	$(BIN)/python -m benchmarks.training --peers_python=.venv-bench/bin/python
	$(BIN)/python -m benchmarks.overheads

test-slow: $(VENV)/installed-test
	$(BIN)/python -m pytest -m slow --numprocesses=$(WORKERS) --dist=worksteal

# The tests build it once more, where a warning is an error, and follow its links.
docs: $(VENV)/installed-test $(VENV)/installed-docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python -m pytest tests/test_site.py -m "slow or not slow"
	@echo "docs/_build/html/index.html"

# What would be uploaded, in an environment of its own and in an empty folder. For the
# README's last block, which nobody needs who has Keras 3: TensorFlow Hub.
release: $(VENV)/installed-test
	rm -rf dist .venv-release
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python -m pip install --quiet --constraint constraints.txt \
	  "$$(ls dist/*.whl)[programs,tuning]" tensorflow-hub tf_keras setuptools
	README_PYTHON=.venv-release/bin/python $(BIN)/python -m pytest -v \
	  tests/test_readme.py -m "slow or not slow"
	@echo "dist/ is fit for use: twine upload dist/*"

lock:
	rm -rf .lock
	$(PYTHON) -m venv .lock
	.lock/bin/python -m pip install --quiet ".[test,docs]"
	.lock/bin/python -m pip install --quiet $(DATA)
	{ echo "# Written by make lock; what make demo, make test and make docs install."; \
	  .lock/bin/python -m pip freeze --all --exclude pip --exclude keras_infomax; } > constraints.txt
	rm -rf .lock

clean:
	rm -rf $(VENV) .venv-jax .venv-torch .venv-oldest .venv-nightly .venv-bench .venv-release build dist docs/_build docs/reference/generated *.egg-info .pytest_cache .mypy_cache .ruff_cache
