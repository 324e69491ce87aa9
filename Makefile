# Card movements from MySQL or PostgreSQL, joined by Hadoop MapReduce, as one CSV.
#
# Parameters of run, as in `make run OUTPUT=./out MOVEMENTS=1000000`:
#   OUTPUT     folder for movimento_flat.csv (needed)
#   ENGINE     auto, docker, hadoop (your own cluster) or local        [auto]
#   SOURCE     mysql://user@host:port/database or postgresql://..., read only; without it, fictitious data
#   MOVEMENTS  movements of the fictitious database                    [100000]
#   SEED       the same seed gives the same fictitious database        [1]
#   OPTIONS    more of `movimento-flat run --help`, as in OPTIONS="--card mask --since '2024-01-01 12:00:00'"
#   LAKE       folder for the same rows as Parquet by month, here or in HDFS (hdfs:///...)
#   METRICS    file for the run's figures, as Prometheus text
#   TABLES     a file that says how SOURCE calls its tables and columns: docs/your_own_database.md
#   PASSWORD_FILE, TLS_CA, KEY_FILE   files for --password-file, --tls-ca and --key-file
#
# make ends with status 2 whatever fails; .venv/bin/movimento-flat itself with 1 (something to fix), 2 (wrong
# options) or 130 (interrupted).
#
# Parameters of bench:
#   BENCH_SIZES    numbers of movements                                [100000 1000000 5000000 20000000]
#   BENCH_ROUNDS   runs of each contestant                             [3]
#   BENCH_OPTIONS  --no-cluster leaves out what needs Docker

.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BENCH_SIZES ?= 100000 1000000 5000000 20000000
BENCH_ROUNDS ?= 3
export MOVIMENTO_FLAT_HOME ?= $(CURDIR)/.movimento-flat

# Values reach the shell as variables of the environment: spaces and quotes in them mean nothing.
export OUTPUT LAKE METRICS ENGINE SOURCE MOVEMENTS SEED OPTIONS TABLES PASSWORD_FILE TLS_CA KEY_FILE
export SERVICE SUITE UPGRADE VENV
export BENCH_ROUNDS BENCH_OPTIONS

# A misspelt parameter would leave something out without a word, such as a mask of card numbers.
PARAMETERS := OUTPUT LAKE METRICS ENGINE SOURCE MOVEMENTS SEED OPTIONS TABLES PASSWORD_FILE TLS_CA KEY_FILE \
	SERVICE SUITE UPGRADE VENV PYTHON BENCH_SIZES BENCH_ROUNDS BENCH_OPTIONS MOVIMENTO_FLAT_HOME HDFS_WEB_PORT YARN_WEB_PORT HISTORY_WEB_PORT \
	HDFS_RESERVED_BYTES NODE_MEMORY_MB HADOOP_VERSION DATABASE_IMAGE COMPOSE_PROJECT_NAME CA_CERTIFICATES
GIVEN := $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))
UNKNOWN := $(filter-out $(PARAMETERS) MAKEFLAGS MAKEOVERRIDES MAKE_COMMAND,$(GIVEN))
ifneq ($(UNKNOWN),)
$(error $(shell bootstrap/near $(firstword $(UNKNOWN)) $(PARAMETERS)))
endif

.PHONY: help
help: ## this help
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 22

.PHONY: run
run: ## from a database to OUTPUT/movimento_flat.csv
	@bootstrap/run

.PHONY: doctor
doctor: ## whether run would work here, and what to do where not (OUTPUT, SOURCE and files as for run)
	@bootstrap/doctor

.PHONY: cluster-up
cluster-up: ## build and start the cluster in Docker, and wait until it is ready
	@hadoop-docker/cluster up

.PHONY: cluster-down
cluster-down: ## stop it; its data stay
	@hadoop-docker/cluster down

.PHONY: status
status: ## its services and web pages
	@hadoop-docker/cluster status

.PHONY: logs
logs: ## what its services say, or one: make logs SERVICE=namenode
	@hadoop-docker/cluster logs $${SERVICE:+"$$SERVICE"}

.PHONY: base-image
base-image: ## its Debian, for a machine that reaches no registry (as root)
	@hadoop-docker/cluster base-image

.PHONY: check
check: install-test lint ## what tells most in a minute: lint, and the tests that need no server
	@$(VENV)/bin/python -m pytest -q -n 2 --dist worksteal --hypothesis-profile check \
		-m "not server and not machine and not cluster"

.PHONY: test
test: install-test lint ## all tests that need no cluster, after the checks of lint
	@$(VENV)/bin/python -m pytest -q -n 2 --dist worksteal -m "not cluster"

.PHONY: test-cluster
test-cluster: install-test ## the tests of the cluster, on one of their own in Docker
	@$(VENV)/bin/python -m pytest -q -m cluster

.PHONY: soak
soak: install-test ## what must hold at every moment, asked at very many, and of more servers: an hour
	@MOVIMENTO_FLAT_SOAK=yes $(VENV)/bin/python -m pytest -q -m "machine or not machine" tests/soak \
		tests/test_packaging.py tests/test_readers.py tests/test_servers.py tests/test_snapshot.py tests/test_tagged_tsv.py

.PHONY: bench
bench: install ## every benchmark, recorded in docs/benchmark.md and docs/growth.md (hours; bench/README.md has each)
	@$(VENV)/bin/python -m bench.everything --sizes $(BENCH_SIZES) --rounds "$$BENCH_ROUNDS" $${BENCH_OPTIONS:-}

.PHONY: bench-pages
bench-pages: install ## the same pages and plots of the records in docs/benchmark/ alone
	@$(VENV)/bin/python -m bench.page

.PHONY: docs
docs: install ## what repeats the model: tables of the documents, sql/mysql/tables.sql, recipes
	@$(VENV)/bin/python -m docs.generate

.PHONY: lint
lint: install-test ## ruff and mypy
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/mypy

.PHONY: audit
audit: ## known vulnerabilities of the packages in requirements/, as pypi.org has them
	@bootstrap/audit "$$MOVIMENTO_FLAT_HOME"

.PHONY: format
format: install-test ## reformat the code
	@$(VENV)/bin/ruff check --fix --quiet .
	@$(VENV)/bin/ruff format --quiet .

.PHONY: install
install: ## the virtual environment .venv, with the command movimento-flat
	@bootstrap/venv $(VENV) "$$MOVIMENTO_FLAT_HOME"

.PHONY: install-test
install-test:
	@bootstrap/venv $(VENV) "$$MOVIMENTO_FLAT_HOME" test

.PHONY: lock
lock: ## pin in requirements/ what pyproject.toml asks for; UPGRADE=yes takes the newest of all
	@bootstrap/venv $(VENV) "$$MOVIMENTO_FLAT_HOME" lock
	@for group in runtime postgres test lock audit; do \
		[ "$$group" = runtime ] && extra= || extra="--extra $$group --constraint requirements/runtime.txt"; \
		$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy requires-python \
			--generate-hashes --no-emit-index-url --custom-compile-command "make lock" $${UPGRADE:+--upgrade} \
			$$extra --output-file "requirements/$$group.txt" pyproject.toml || exit 1; \
	done

HADOOP_JARS ?= /opt/hadoop/lib
.PHONY: lake-class
lake-class: ## compile what changes a lake in HDFS (javac; HADOOP_JARS is a folder with Hadoop's jars)
	@javac --release 8 -g:none -nowarn -d movimento_flat/lake -cp "$(HADOOP_JARS)/*" movimento_flat/lake/HdfsLake.java

.PHONY: clean
clean: ## remove the cluster with its data, the virtual environment and the fictitious database; no key of tokens
	@! docker version >/dev/null 2>&1 || hadoop-docker/cluster clean
	rm -rf $(VENV)
	@# Earlier versions kept the key of tokens there; without it no token can be made again.
	[ ! -d "$$MOVIMENTO_FLAT_HOME" ] || find "$$MOVIMENTO_FLAT_HOME" -mindepth 1 -maxdepth 1 ! -name token_key \
		-exec rm -rf {} +
	@[ ! -d "$$MOVIMENTO_FLAT_HOME" ] || rmdir "$$MOVIMENTO_FLAT_HOME" 2>/dev/null || echo "The key of tokens stays in $$MOVIMENTO_FLAT_HOME."
