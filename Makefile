# Needs python3 (3.11.4 or newer), make and git; everything else goes into .venv, once.
#
#   PYTHON=python3.12       another Python
#   TORCH_INDEX=<url>       a package index to take torch from, such as the one for CPUs that PyTorch's site names
#   PROFILE=tiny            another profile for `make tutorial`

PYTHON ?= python3
PROFILE ?= course
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-from-constraints
PIP := $(BIN)/python -m pip --disable-pip-version-check
NOTEBOOKS := $(wildcard notebooks/*.ipynb)

# One thread for each of the parallel tests, and JupyterLab finds data/ from inside notebooks/.
export SNNLAB_DATA ?= $(CURDIR)/data

# "==" also takes a local build such as 2.13.0+cpu, which pip then prefers; "===" only the public one, which has CUDA.
TORCH := $(shell grep '^torch==' constraints.txt)
ifneq ($(shell nvidia-smi >/dev/null 2>&1 && echo gpu),)
ifndef TORCH_INDEX
TORCH := $(subst ==,===,$(TORCH))
endif
endif

.DELETE_ON_ERROR:
.PHONY: setup tutorial test lab lint docs notebooks student bench gpu-check clean

setup: $(STAMP)
	@echo "Ready: make tutorial, make lab, or $(BIN)/snnlab --help"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4))' || { \
	  echo "snnlab needs Python 3.11.4 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1);" \
	       "install one and name it: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

# torch goes first and alone: nothing that follows may choose another build of it.
$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt setuptools
	$(PIP) install -c constraints.txt '$(TORCH)' $(if $(TORCH_INDEX),--index-url '$(TORCH_INDEX)')
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[test,speech,browser,docs,export]'
	@touch $@

tutorial: $(STAMP)
	@$(BIN)/snnlab tutorial --profile $(PROFILE)

# Tests run with one thread each, and the many processes that they start find snnlab compiled. A notebook's cells have to
# stay together and in order, the files of tests as tests/conftest.py has them. nbval would import nbformat before that does.
test: export OMP_NUM_THREADS := 1
test: export PYTHONDONTWRITEBYTECODE :=
test: $(STAMP)
	$(BIN)/python -m pytest -p no:nbval -n 3 --dist loadfile --no-loadscope-reorder --durations=25
	SNNLAB_PROFILE=tiny PYTHONPATH=$(CURDIR)/tests/helpers $(BIN)/python -m pytest -n 2 --dist loadfile \
	  -p forked_kernels --nbval-lax --nbval-cell-timeout=120 $(NOTEBOOKS)

lab: $(STAMP)
	$(BIN)/jupyter lab --notebook-dir=notebooks

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/lint-imports

notebooks: $(STAMP)
	$(BIN)/python -m snnlab.runs.publish $(NOTEBOOKS)

# With `-b linkcheck` in the place of `-b html` it asks every external address, which needs the network.
docs: $(STAMP)
	$(BIN)/python -m sphinx -b html -c docs -W --keep-going -q . build/site
	@echo "The site is build/site/index.html."

student: $(STAMP)
	rm -rf build/student
	@$(BIN)/snnlab course --student build/student

# Measures speed and writes the figures into docs/: at most 15 minutes on two cores that do nothing else.
bench: $(STAMP)
	$(BIN)/python benchmarks/report.py

# Needs a GPU, and at most 8 minutes: tests, speed beside the peer, an epoch, loaders, the notebooks.
gpu-check: $(STAMP)
	$(BIN)/python benchmarks/gpu_check.py

clean:
	rm -rf $(VENV) runs build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
