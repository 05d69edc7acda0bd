# Everything a newcomer needs: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
TRIES ?= 2

.DEFAULT_GOAL := help
.PHONY: scenarios install uninstall help demo test test-failed test-all check format clean faults soak

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[review]'
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[review,dev]'
	touch $@

demo: $(VENV)/.run ## a simulated outing through the real detector, shown live in the terminal
	$(BIN)/rearguard demo

# Many tests measure times and ratios of times; on a busy machine one may be late, and gets a second chance alone.
test: $(VENV)/.dev ## the fast tests, in parallel; what fails is run once more, alone
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -q -m "not slow" || $(MAKE) test-failed

test-failed: $(VENV)/.dev ## again, one after the other, what failed last
	$(BIN)/python -m pytest -q -m "not slow" --last-failed --last-failed-no-failures none

test-all: $(VENV)/.dev ## also those that take minutes: 500 kills of the journal, ...
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -q

faults: $(VENV)/.dev ## drive 40 faults into the real program and tell what the wearer feels (ten minutes)
	$(BIN)/python tests/faults/report.py --tries $(TRIES) --write docs/faults.md

soak: $(VENV)/.dev ## one simulated hour through the two processes: nothing may grow
	$(BIN)/python tests/faults/soak.py

scenarios: $(VENV)/.run ## the proving ground: 5000 simulated runs, a table and out/scenarios.html
	mkdir -p out
	$(BIN)/rearguard scenarios --html out/scenarios.html

check: $(VENV)/.dev ## lint, format and types
	$(BIN)/ruff check src tests models
	$(BIN)/ruff format --check src tests models
	$(BIN)/mypy

format: $(VENV)/.dev ## put the code into house format
	$(BIN)/ruff check --fix-only -q src tests models
	$(BIN)/ruff format -q src tests models

install: ## on a Raspberry Pi, as root: the service, for good (sudo make install)
	python3 install/install.py install

uninstall: ## as root: away with all but the journal
	python3 install/install.py uninstall

clean: ## remove what make made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
