# Needs Python 3.11 or newer, git, Go and make; everything else is brought into .venv and Go's caches.
#
#   make demo            the whole thing on this machine, until Ctrl-C; ONCE=1 ends by itself, 0 only if all of it held
#   make test            all tools of the testbed are built if need be, then every test runs; ARGS="-k name" narrows
#   make lint            ruff, mypy and the import rules
#   make bench           the benchmarks; bench-health and bench-render are parts of it
#   make bench-beat      what a beat costs that schedules 10,000 applications; ARGS=5000 for another number
#   make soak            a day's tasks through one worker process: whether it grows; ARGS=5000 for fewer
#   make conformance     only what is read from the conformance data
#   make constraints     pin what is installed in .venv now; run it after changing a dependency in pyproject.toml

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.stamp
ARGS ?=

.PHONY: setup demo testbed test lint bench bench-health bench-render bench-beat soak conformance constraints clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=/path/to/it." if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup
	$(BIN)/gitops demo $(if $(ONCE),--once)

testbed: setup
	$(BIN)/python -m testbed build

test: setup
	$(BIN)/python -m testbed build --all
	$(BIN)/pytest $(ARGS)

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: testbed
	$(BIN)/python -m bench $(ARGS)

bench-health: testbed
	$(BIN)/python -m bench health $(ARGS)

bench-render: testbed
	$(BIN)/python -m bench render $(ARGS)

bench-beat: testbed
	$(BIN)/python -m bench beat $(ARGS)

soak: testbed
	$(BIN)/python -m bench soak $(ARGS)

conformance: testbed
	$(BIN)/python tests/conformance/health/report.py
	$(BIN)/pytest tests/conformance $(ARGS)

constraints: setup
	$(BIN)/python -m pip freeze --exclude-editable --disable-pip-version-check > constraints.txt
	@touch $(STAMP)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
