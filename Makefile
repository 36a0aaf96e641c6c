# Needs make and Python 3.11 or newer, nothing else: what runs here runs in .venv, which is made when it is
# missing and refreshed when pyproject.toml has changed. Another interpreter: make PYTHON=python3.13 test

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
JOBS   ?= 2
OUT    ?= out/demo

.DEFAULT_GOAL := help
.PHONY: help setup demo test slow chaos parity bench soak lint fmt types wheel native clean

help:  ## This list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1@\2/p' $(MAKEFILE_LIST) | column -t -s @ 2>/dev/null \
		|| sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1    \2/p' $(MAKEFILE_LIST)

# The stamp is written last, so an installation that broke off is done again.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "orchspec needs Python 3.11 or newer; $(PYTHON) is not. Name another: make PYTHON=python3.13" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) can't make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

setup: $(READY)  ## The virtual environment

demo: $(READY)  ## The tour: checks, simulates, runs, kills and resumes the gallery's briefing (leaves out/demo)
	$(BIN)/orch demo --out $(OUT)

test: $(READY)  ## The tests
	$(BIN)/python -m pytest -q -n $(JOBS)

slow: $(READY)  ## The tests that take long, the installed wheel among them
	$(BIN)/python -m pytest -q -n $(JOBS) -m slow

chaos: $(READY)  ## A long search for what breaks a property or an invariant
	ORCH_HYPOTHESIS=search $(BIN)/python -m pytest -q -n $(JOBS) -m '(chaos or hypothesis) and not slow'

parity: $(READY)  ## The simulator against the real engine, over the gallery; goes on where it was (out/parity.jsonl)
	@mkdir -p out
	$(BIN)/python -m orchspec.parity specs/*.orch --log out/parity.jsonl

bench: $(READY)  ## Measurements
	@for script in bench/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

soak: $(READY)  ## Long runs, watching that nothing grows
	$(BIN)/python -m pytest -q -m soak

lint: $(READY)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

fmt: $(READY)  ## Formats, and mends what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY)  ## mypy --strict
	$(BIN)/mypy

wheel: $(READY)  ## dist/*.whl and dist/*.tar.gz
	rm -rf build dist
	$(BIN)/python -m build --outdir dist .

native: $(READY)  ## dist/*.whl with native code, for this Python and this machine (some minutes; needs a compiler of C)
	@mkdir -p dist
	ORCHSPEC_NATIVE=1 $(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/orchspec-*-cp*.whl

clean:  ## Removes what was made, the virtual environment apart
	rm -rf build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
