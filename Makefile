# make with no argument explains itself.
.DEFAULT_GOAL := help
.PHONY: help setup demo test faults lint snowflake-check catalog-check screenshots browser bench format lock clean

# the newest Python that dbt supports, or the one named by PYTHON=…
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { echo "$$p"; break; }; done)

help: ## this list
	@echo "Vend analytics. Start with: make demo"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' Makefile

setup: .venv/.ready ## install everything into .venv

.venv/.ready: requirements.txt requirements-no-deps.txt pyproject.toml packages.yml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; name one: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Installing into .venv (some minutes the first time) …" >&2
	@"$(PYTHON)" -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-no-deps.txt
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@test -e profiles.yml || ln -s profiles.yml.example profiles.yml
	@.venv/bin/vend setup
	@touch .venv/.ready

demo: setup ## the whole warehouse on this machine, with figures, in a few minutes
	@.venv/bin/vend demo

test: setup ## every test: Python, dbt on both sides, on real servers
	.venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

faults: setup ## the whole fault suite, on every Postgres found, with its counts
	VEND_FAULTS=all .venv/bin/python -m pytest tools/tests/faults

lint: setup snowflake-check catalog-check ## ruff, mypy, sqlfluff, the Snowflake check and the catalog's rules
	.venv/bin/ruff check tools examples
	.venv/bin/ruff format --check tools examples
	.venv/bin/mypy
	.venv/bin/sqlfluff lint models tests analyses
	@# its templater does not know the tag of a snapshot
	@for file in snapshots/*.sql; do \
		sed '/{% *\(end\)\{0,1\}snapshot/d' "$$file" | .venv/bin/sqlfluff lint --stdin-filename "$$file" - || exit 1; done

snowflake-check: setup ## compile every cold model for Snowflake, trace its columns and check it; needs no account
	.venv/bin/python tools/snowflake_check.py

bench: setup .venv-bench/.ready ## time sync, hot and cold side; rewrites docs/benchmarks.md (BENCH=, BENCH_HOT="--payments 10000000 --factor", BENCH_COLD="--payments 10000000")
	.venv/bin/python tools/bench/sync.py $(BENCH)
	.venv/bin/python tools/bench/hot.py $(BENCH_HOT)
	.venv/bin/python tools/bench/cold.py $(BENCH_COLD)

.venv-bench/.ready: tools/bench/requirements.txt
	@"$(PYTHON)" -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r tools/bench/requirements.txt
	@touch .venv-bench/.ready

screenshots: setup ## the pictures in docs/images, of what make demo built, as of a working afternoon; needs Chromium
	.venv/bin/python tools/screenshots.py

browser: ## as root on Debian or Ubuntu: install Chromium, with which pages are tested and pictures taken, if there is none
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; }

catalog-check: setup ## names, descriptions, keys, contracts, access and lineage of every model; needs no connection
	.venv/bin/python tools/catalog_check.py

format: setup ## let ruff and sqlfluff mend what they can
	.venv/bin/ruff check --fix tools
	.venv/bin/ruff format tools
	.venv/bin/sqlfluff fix models tests

lock: setup ## resolve pyproject.toml into requirements.txt again
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --extra dev \
		--custom-compile-command "make lock" --upgrade pyproject.toml -o requirements.txt

clean: ## stop the embedded server and remove what was built; .venv stays
	@test ! -x .venv/bin/vend || .venv/bin/vend down
	rm -rf .vend target logs
