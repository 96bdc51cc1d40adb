SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run demo reset setup test check test-unit test-system test-browser screenshots bench chaos format reference lock seed status doctor

BIN := .venv/bin
STAMP := .venv/.installed
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3; do \
    $$each -c '$(FITS)' >/dev/null 2>&1 && { echo $$each; break; }; done)
# KAFKA=1 or KAFKA=3: so many brokers on loopback; make wants the variable to be there, and not what it is.
KAFKA_FOLDER := $(or $(DATA_FOLDER),.seatledger)/kafka
UNIT := tests/domain tests/services tests/projections tests/contracts tests/cli tests/importing tests/simulation \
    tests/reference tests/model tests/portal domain services projections adapters

help:
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ start
run: $(STAMP) ## everything in one terminal: embedded PostgreSQL, sample accounts, API, workers, inbox (PORT=8080, KAFKA=1)
ifdef KAFKA
	@$(BIN)/python ops/kafka/brokers.py start --folder $(KAFKA_FOLDER) --brokers $(KAFKA) >/dev/null
	@export $$($(BIN)/python ops/kafka/brokers.py status --folder $(KAFKA_FOLDER) 2>/dev/null); \
	    trap '$(BIN)/python ops/kafka/brokers.py stop --folder $(KAFKA_FOLDER)' EXIT; trap : INT; $(BIN)/seatledger dev
else
	@exec $(BIN)/seatledger dev
endif

demo: $(STAMP) ## walk every way an order can go, in German on a throw-away instance, and check each from all books (KAFKA=1)
ifdef KAFKA
	@$(BIN)/python ops/kafka/brokers.py start --folder $(KAFKA_FOLDER)-demo >/dev/null
	@export $$($(BIN)/python ops/kafka/brokers.py status --folder $(KAFKA_FOLDER)-demo 2>/dev/null); \
	    trap '$(BIN)/python ops/kafka/brokers.py stop --erase --folder $(KAFKA_FOLDER)-demo' EXIT; $(BIN)/seatledger demo --kafka
else
	@exec $(BIN)/seatledger demo
endif

test: $(STAMP) check ## everything that must hold: checks, unit, system and browser tests, coverage
	@rm -f .coverage .coverage.* coverage.json
	@$(MAKE) --no-print-directory test-unit COVERAGE="--cov --cov-report="
	@$(MAKE) --no-print-directory test-system COVERAGE="--cov --cov-append --cov-report="
	@$(MAKE) --no-print-directory test-browser
	@$(BIN)/coverage json -q && $(BIN)/python .ci/coverage_floors.py

setup: $(STAMP) ## install what is locked into .venv, and nothing else

doctor: $(STAMP) ## check what a start needs
	@$(BIN)/seatledger doctor

seed: $(STAMP) ## put the sample accounts into the ledger
	@$(BIN)/seatledger seed

reset: $(STAMP) ## delete the data of this checkout
	@test ! -e $(KAFKA_FOLDER) || $(BIN)/python ops/kafka/brokers.py stop --erase --folder $(KAFKA_FOLDER)
	@$(BIN)/seatledger reset

##@ prove
check: $(STAMP) ## style, types and who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "run make format"; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | tail -n 5

test-unit: $(STAMP) ## the tests that need no server and no socket
	@$(BIN)/python -m pytest -m "not system" -p no:cacheprovider --disable-socket --allow-unix-socket \
	    -n 2 --dist worksteal $(UNIT) $(COVERAGE)

test-system: $(STAMP) ## the tests on real servers and processes
	@$(BIN)/python -m pytest -m system -p no:cacheprovider -n 3 --dist worksteal tests $(COVERAGE)

test-browser: $(STAMP) ## the portal in Debian's Chromium; skipped where there is none, unless REQUIRE_BROWSER=1
	@$(BIN)/python -m pytest -m browser -p no:cacheprovider -n 2 --dist worksteal tests/browser

bench: $(STAMP) ## measure against something real in the same run (NAME=append; JSON=file)
	@$(BIN)/python -m benchmarks bench $(NAME) $(if $(JSON),--json $(JSON))

chaos: $(STAMP) ## break things on purpose under load and compare the books (NAME=saga; JSON=file)
	@$(BIN)/python -m benchmarks chaos $(NAME) $(if $(JSON),--json $(JSON))

##@ change
format: $(STAMP) ## format the code and mend what can be mended
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

screenshots: $(STAMP) ## take pictures of every page and state anew, in German and English (docs/screenshots.md)
	@$(BIN)/python -m tests.browser.screenshots docs

reference: $(STAMP) ## write docs/reference anew from the code: order states, events, their schemas, AsyncAPI
	@$(BIN)/python -m tests.reference.document
	@$(BIN)/python -m tests.reference.events.writing
	@$(BIN)/python -m tests.reference.policies
	@$(BIN)/python -m tests.reference.permissions

lock: $(STAMP) ## lock the newest versions that pyproject.toml allows
	@$(BIN)/uv pip compile pyproject.toml --extra dev -p 3.11 --universal --upgrade --no-emit-index-url --no-header \
	    --no-annotate --generate-hashes --quiet -o requirements.lock

##@ operate
status: $(STAMP) ## how far log, projections, to-do lists and orders are
	@$(BIN)/seatledger status

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.13 with venv here: apt-get install python3 python3-venv"; exit 2; }
	@$(PYTHON) -c '$(FITS)' \
	    || { echo "$(PYTHON) is no Python 3.11 to 3.13 with venv. Name one: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/uv || { rm -rf .venv && $(PYTHON) -m venv .venv \
	    && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9; } \
	    || { rm -rf .venv; echo "Setting up .venv failed, see above; it wants the package index and 400 MB of disk"; exit 2; }
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --no-deps --editable .
	@$(BIN)/python -m compileall -q adapters domain projections services
	@touch $@
