# Everything a newcomer needs: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
MINUTES ?= 20

.DEFAULT_GOAL := help
.PHONY: scenarios score install uninstall help demo test test-parallel test-timing test-all check coverage mutants format clean faults pairs fuzz soak sensitivity

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

# AGAIN=1, as continuous integration asks on machines it does not know: what failed runs once more, alone, and the
# log tells so. What fails twice fails.
AGAIN ?=
second_try = $(if $(AGAIN),|| { echo "── failed the first time: once more and alone" >&2; \
	$(BIN)/python -m pytest -q --last-failed --last-failed-no-failures none $(1); })

# What measures time runs last, with the machine to itself.
test: test-parallel test-timing ## the fast tests: in parallel, then alone those that measure time

test-parallel: $(VENV)/.dev ## the fast tests that measure no time
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -q -m "not slow and not timing" $(call second_try,-m "not slow and not timing")

test-timing: $(VENV)/.dev ## the fast tests that measure time, one after the other
	$(BIN)/python -m pytest -q -m "timing and not slow" $(call second_try,-m "timing and not slow")

test-all: $(VENV)/.dev ## also those that take minutes: 500 kills of the journal, ...
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -q

# The tests that drive the warning path, its two processes included. Whether they pass is `make test`'s business:
# a measured program is larger and slower than the one that they set limits for.
PATH_TESTS := $(addprefix tests/,camera cue config detect ego health judge looming sense sound track vision warden \
	lab/replay cli/test_demo.py cli/test_outings.py test_output.py)

coverage: $(VENV)/.dev ## how much of the warning path the tests run: 90 % at the least (some minutes)
	rm -rf out/coverage && mkdir -p out/coverage
	-$(BIN)/coverage run -m pytest -q -m "not slow" --no-summary $(PATH_TESTS)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

mutants: $(VENV)/.dev ## change one rule at a time in judge, arbiter and guard: does a test notice? (many minutes)
	$(BIN)/python tests/mutation/mutation.py --jobs $(JOBS)

sensitivity: $(VENV)/.dev ## halve and double every number of the estimate: what does it break? (an hour)
	nice -n 10 $(BIN)/python tests/sensitivity/sensitivity.py --jobs $(JOBS) --out out/sensitivity --write docs/constants.md

faults: $(VENV)/.dev ## drive 50 faults into the real program, and 50 into a simulated camera; what the wearer feels (15 minutes)
	$(BIN)/python tests/faults/report.py --minutes $(MINUTES) --pairs 4 --write docs/faults.md
	$(BIN)/python tests/faults/camera_report.py --write docs/camera-faults.md

pairs: $(VENV)/.dev ## drive every pair of kinds of faults into the real program; `make faults` takes four (half an hour)
	$(BIN)/python tests/faults/report.py --minutes 60 --only-pairs --pairs 1000

fuzz: $(VENV)/.dev ## every parser on anything, for about an hour
	REARGUARD_FUZZ=8000 $(BIN)/python -m pytest -q tests/fuzz

soak: $(VENV)/.dev ## one simulated hour through the two processes: nothing may grow
	$(BIN)/python tests/faults/soak.py

score: $(VENV)/.dev ## real recordings against their labels and their budget, where the recordings are (minutes)
	$(BIN)/python -m pytest -q -rs -s tests/lab/score/test_budget.py

scenarios: $(VENV)/.run ## the proving ground: 5000 simulated runs, a table and out/scenarios.html
	mkdir -p out
	$(BIN)/rearguard scenarios --html out/scenarios.html

check: $(VENV)/.dev ## lint, format, types and spelling
	$(BIN)/ruff check src tests models
	$(BIN)/ruff format --check src tests models
	$(BIN)/mypy
	$(BIN)/codespell src tests models docs install systemd .ci *.md Makefile pyproject.toml constraints.txt

format: $(VENV)/.dev ## put the code into house format
	$(BIN)/ruff check --fix-only -q src tests models
	$(BIN)/ruff format -q src tests models

install: ## on a Raspberry Pi, as root: the service, for good (sudo make install)
	python3 install/install.py install

uninstall: ## as root: away with all but the journal and settings you changed
	python3 install/install.py uninstall

clean: ## remove what make made
	rm -rf $(VENV) .venv-3.13 .pytest_cache .mypy_cache .ruff_cache .hypothesis
