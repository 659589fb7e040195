# The project's commands. Each one first installs whatever it needs.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEMO := $(VENV)/.installed-demo
SHELL_PROGRAMS := .ci/run $(filter-out %.service,$(wildcard tools/*)) profiles/*/submit profiles/*/cancel \
    profiles/common/python.sh profiles/common/status.sh

.DEFAULT_GOAL := help
# Each of the many programs started here would compile its modules again: 0.2 s every time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install install-demo demo test test-htcondor faults lint format lock bench docs physics physics-faults fuzz

help:  ## list these commands
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

install: $(INSTALLED)  ## create the environment in .venv

$(INSTALLED): requirements.lock pyproject.toml tools/create-environment
	tools/create-environment $(VENV)
	@touch $@

install-demo: $(INSTALLED_DEMO)  ## also install a MongoDB server for the demo and the tests

$(INSTALLED_DEMO): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --constraint requirements.lock --editable '.[demo]'
	@touch $@

demo: install-demo  ## process a few simulated runs on this machine, with a separate run database
	tools/system-packages demo
	$(BIN)/xamsflow demo --directory demo

test: install-demo  ## run the whole test suite
	tools/system-packages test
	$(BIN)/python -m pytest --numprocesses 4 --dist loadgroup

test-htcondor: install-demo  ## test profiles/htcondor on a real HTCondor, as root (docs/how-to/batch-systems.md)
	tools/system-packages htcondor
	$(BIN)/python -m pytest tests/htcondor

faults: install-demo  ## inject every fault at several moments and tabulate the outcomes
	tools/system-packages test
	cd tests && ../$(BIN)/python -m faults --output ../faults.md
	XAMSFLOW_GOOD_RUNS=200 $(BIN)/python -m pytest --numprocesses 2 tests/unit/redax

lint: install  ## check formatting, types and style, and lint the workflow
	$(BIN)/ruff format --check src tests benchmarks docs workflow/scripts
	$(BIN)/ruff check src tests benchmarks docs workflow/scripts
	$(BIN)/snakefmt --check workflow
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/shellcheck --external-sources --source-path profiles/common $(SHELL_PROGRAMS)
	# Fill in the job script, which is a template, as Snakemake does.
	sed -e 's/{{/{/g' -e 's/}}/}/g' -e 's/^{exec_job}$$/true/' profiles/common/jobscript.sh | $(BIN)/shellcheck -
	$(BIN)/snakemake --snakefile workflow/Snakefile --lint

format: install  ## format all files
	$(BIN)/ruff format src tests benchmarks docs workflow/scripts
	$(BIN)/ruff check --fix src tests benchmarks docs workflow/scripts
	$(BIN)/snakefmt workflow

lock: install  ## update requirements.lock to the newest versions that pyproject.toml allows
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
	    --no-emit-index-url --no-annotate --quiet --custom-compile-command "make lock" \
	    --output-file requirements.lock

bench: install-demo  ## run the benchmarks (most of an hour); results go to bench/
	tools/system-packages test
	set -e; for part in fixed_cost runs driver drain live page analysis scale "campaign calm" "batch cost" "batch shared"; do \
	    set -- $$part; $(BIN)/python benchmarks/$$1.py $$2; done

docs: install  ## build the documentation as a searchable site in site/
	$(BIN)/sphinx-build -c docs -b html --fail-on-warning --keep-going --quiet . site
	@echo "Open site/index.html"

physics: install  ## compare the reconstruction of simulated runs with the truth; plots go to physics/
	$(BIN)/python -m xamsflow.simulate.physics --directory physics

physics-faults: install  ## simulate faults of a detector, and see whether the first run with each is odd
	$(BIN)/python -m xamsflow.simulate.physics.health

fuzz: install  ## fuzz the readers of live data and run documents, FUZZ_SECONDS (60) each
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'atheris>=2.3,<4'
	$(BIN)/python tests/fuzz --seconds $(or $(FUZZ_SECONDS),60)
