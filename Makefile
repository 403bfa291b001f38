# One verb for each thing a newcomer, a developer and CI do; `make` alone prints them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The order of the tests in a file, the same each time, so that a commit passes or fails whenever it is tried;
# `make test SEED=2` plays another one: no test may need what another leaves.
SEED ?= 1
# A worker that crashed ends the run: what replaces it may wait for work for ever (pytest-xdist #1327).
PYTEST := $(BIN)/pytest --verbose --max-worker-restart 0 --dist loadfile --no-loadscope-reorder --randomly-seed $(SEED)
PACKAGES := dbt_project/dbt_packages/dbt_utils/.installed

.DEFAULT_GOAL := help
.PHONY: help install run run-duckdb test test-fast test-durations up down sensitivity docs bench torture lint rooms format requirements clean

help: ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed; name one with: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$$(grep '^uv==' requirements-dev.txt)"
	@# Compiled once, here, and not by every process where PYTHONDONTWRITEBYTECODE is set, as in many containers.
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements-dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(PACKAGES): dbt_project/packages.yml | $(INSTALLED)
	$(BIN)/python dbt_project/install_packages.py
	@[ ! -e $@ ] || touch $@

install: $(INSTALLED) $(PACKAGES) ## set up the virtual environment and the dbt packages

run: install ## from clone to verdict: live rides and dye through Kafka, PostgreSQL, dbt and Airflow
	@scripts/walkthrough

run-duckdb: install ## from clone to verdict without a server: the models alone, on the input seeds, on DuckDB
	@mkdir -p dbt_project/target_angiogram
	DUCKDB_FILE=$(CURDIR)/dbt_project/target_angiogram/dye.duckdb \
	  $(BIN)/angiogram run --from-seeds --target duckdb

test: install ## run every test against a real PostgreSQL and a real Kafka
	$(PYTEST) --numprocesses 3

test-fast: install ## run the tests that need no server and no browser
	$(PYTEST) --numprocesses 2 -m "not servers and not projects"

test-durations: install ## run every test, and write how long each file takes, by which they are ordered
	$(PYTEST) --numprocesses 3 --write-durations

up: install ## start PostgreSQL, Kafka and Airflow with its web page
	$(BIN)/sandbox up
	$(BIN)/sandbox airflow up

down: install ## stop them; the data stays
	$(BIN)/sandbox airflow down
	$(BIN)/sandbox down

sensitivity: install ## measure which possible mistakes the dye would see; fails below the floor
	@scripts/sensitivity

docs: install ## build the dbt docs as one static page, site/index.html
	@scripts/docs

bench: install ## measure the loader beside its parts and its peers: docs/benchmarks.md (half an hour)
	$(BIN)/python -m benchmarks.loader
	$(BIN)/python -m benchmarks.bulk_load

torture: install ## kill, cut and restart everything, play random sequences: docs/torture.md, docs/front-door.md
	$(BIN)/python -m benchmarks.torture
	$(BIN)/python -W ignore -m benchmarks.sequences
	$(BIN)/python -W ignore -m benchmarks.sequences loader-sequences
	$(BIN)/python -m benchmarks.front_door

lint: install ## check Python, its imports and SQL: ruff, mypy, import-linter, sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/sqlfluff lint dbt_project
	$(BIN)/sqlfluff lint --config .sqlfluff-duckdb dbt_project

rooms: install ## write docs/rooms.md: the rooms of the code and the imports between them
	$(BIN)/python scripts/rooms

format: install ## rewrite Python in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

requirements: $(VENV)/bin/uv ## pin the dependencies of pyproject.toml anew
	$(BIN)/uv pip compile --quiet --universal --custom-compile-command 'make requirements' --extra all \
	  pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --custom-compile-command 'make requirements' --all-extras \
	  -c requirements.txt pyproject.toml -o requirements-dev.txt

clean: ## stop everything and delete what was made: data, environment, pages
	@# Nothing was started yet, or the checkout was moved and its environment is dead: deleted all the same.
	@if [ -x $(BIN)/sandbox ]; then $(BIN)/sandbox airflow down; $(BIN)/sandbox down --delete; fi || true
	rm -rf $(VENV) .sandbox .bench site build *.egg-info .pytest_cache .mypy_cache .ruff_cache \
	  dbt_project/target* dbt_project/dbt_packages dbt_project/logs
