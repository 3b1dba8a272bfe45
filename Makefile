# One line per target; `make help` lists them. PROFILE, BACKENDS and MODELS select what `make bench` measures,
# BUDGET how long a night takes.
PROFILE  ?= standard
BACKENDS ?=
MODELS   ?=
BASE     ?= baseline
BUDGET   ?= 3h
NEW      ?= latest

# What `make bundle` writes and puts in: TESTS=no leaves out what only `make test` needs, PROPRIETARY=yes takes all.
BUNDLE   ?= npubench-bundle.tar
TESTS    ?= yes
PROPRIETARY ?= no

SHELL   := /bin/bash
# An unpacked bundle brings wheels for one version of Python; then no index is asked.
WHEELS  := $(wildcard bundle/wheels)
WANTED  := $(if $(WHEELS),$(shell cat bundle/python-version))
# The newest Python ≥ 3.11 that really starts (a version manager's shim may not).
PYTHON  ?= $(shell for p in $(if $(WANTED),python$(WANTED),python3.13 python3.12 python3.11) python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11) or "$(WANTED)" not in ("", "%d.%d" % sys.version_info[:2]))' 2>/dev/null && { echo $$p; break; }; done)
BIN     := .venv/bin
SELECT  := $(foreach b,$(BACKENDS),--backend $(b)) $(foreach m,$(MODELS),--model $(m)) $(if $(wildcard bundle/cards),--cards bundle/cards)
PIP     := $(BIN)/python -m pip --disable-pip-version-check --quiet install $(if $(WHEELS),--no-index --find-links $(WHEELS))

# Tests run in several processes, a file in one of them, longest files first (tests/conftest.py). Short tests wait for
# processes of their own much of the time, so that three keep two cores busy; browsers and compilers need a core each.
SPREAD  ?= -n 3
WIDE    ?= -n 2
FILES   := --dist loadfile --no-loadscope-reorder

# Training: where data and checkpoints lie, and the seconds of training that the shipped weights took on two cores.
TRAIN    ?= .training
AUTHOR   := $(BIN)/python -m npubench.authoring
CCTV_S   ?= 4300
TEXT_S   ?= 1300
LINES_S  ?= 3000

.PHONY: train-data train-cctv train-ocr help setup bench env bundle test short test-all lint compare report nightly benchmarks author schemas clean
.DEFAULT_GOAL := help

help: ## show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 14

setup: .venv/.bench ## make .venv with npubench and ONNX Runtime for the CPU

bench: .venv/.bench ## measure this machine, write results and the report, say where
	@$(BIN)/npubench run --profile $(PROFILE) $(SELECT) --report reports/

env: .venv/.bench ## list backends' environments; with BACKENDS, install what their cards require
	@$(BIN)/npubench env $(if $(BACKENDS),sync $(BACKENDS),list) $(if $(wildcard bundle/cards),--cards bundle/cards)

bundle: .venv/.bench ## one archive with which the same two commands work without a network (BACKENDS, BUNDLE=FILE)
	@$(BIN)/npubench bundle -o $(BUNDLE) $(SELECT) $(if $(filter no,$(TESTS)),--no-tests) $(if $(filter yes,$(PROPRIETARY)),--include-proprietary)

test: .venv/.dev ## lint, types, import contracts and the tests (10 minutes at most)
	@$(MAKE) --no-print-directory -j 2 lint short

# Types take a core for a minute, which the tests leave idle somewhere.
short: .venv/.dev
	@$(BIN)/python -m pytest -q $(SPREAD) $(FILES) -m 'not slow and not browser'

test-all: .venv/.dev ## what test leaves out: browser, wheels, slow builds
	@$(BIN)/python -m pytest -q $(WIDE) $(FILES) -m 'slow or browser'

lint: .venv/.dev ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache

compare: .venv/.bench ## compare NEW with BASE (runs, folders or "baseline")
	@$(BIN)/npubench compare $(BASE) $(NEW)

report: .venv/.bench ## write the HTML report of the latest run
	@$(BIN)/npubench report latest -o reports/

nightly: .venv/.bench ## measure within BUDGET, compare with the baseline (CI that reads exit codes calls npubench)
	@$(BIN)/npubench nightly --budget $(BUDGET) $(SELECT) --report reports/

benchmarks: .venv/.dev ## npubench's own speed, as ratios in one run
	@$(BIN)/python -m pytest tests/benchmarks -q -s --benchmark-enable --benchmark-only --benchmark-columns=median,iqr,rounds

author: .venv/.dev ## after a change of fp32 graphs or weights: every precision of MODELS anew
	@$(BIN)/python -m npubench.build.author_precisions $(MODELS)

schemas: .venv/.dev ## write docs/schemas anew after a declared change of format
	@$(BIN)/npubench schema -o docs/schemas

train-data: .venv/.train ## draw the scenes and pages that the vision models are trained on
	@$(AUTHOR).scenes --count 4000 --jobs 2 --out $(TRAIN)/cctv-train
	@$(AUTHOR).scenes --count 200 --seed cctv-unseen/1 --jobs 2 --out $(TRAIN)/cctv-unseen
	@$(AUTHOR).sheets --count 400 --jobs 2 --out $(TRAIN)/ocr-train
	@$(AUTHOR).sheets --count 40 --seed ocr-unseen/1 --jobs 2 --out $(TRAIN)/ocr-unseen

train-cctv: train-data ## train cctv-detect and put the weights into its room
	@$(AUTHOR).cctv --seconds $(CCTV_S) --threads 2 --data $(TRAIN) --out $(TRAIN)/cctv
	@$(AUTHOR).rooms cctv-detect detector $(TRAIN)/cctv/detector.npz --room models/cctv-detect
	@$(BIN)/python -m npubench.build.author_precisions cctv-detect

train-ocr: train-data ## train ocr-korean's text detector and line recogniser, put them into its room
	@$(AUTHOR).text --seconds $(TEXT_S) --data $(TRAIN) --out $(TRAIN)/text
	@$(AUTHOR).recogniser --seconds $(LINES_S) --out $(TRAIN)/lines
	@$(AUTHOR).rooms ocr-korean text_detector $(TRAIN)/text/text_detector.npz --room models/ocr-korean
	@$(AUTHOR).rooms ocr-korean line_recogniser $(TRAIN)/lines/line_recogniser.npz --room models/ocr-korean
	@$(BIN)/python -m npubench.build.author_precisions ocr-korean

clean: ## remove the environment and caches (results stay)
	@rm -rf .venv dist build .mypy_cache .ruff_cache .hypothesis .benchmarks

.venv/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "npubench needs Python $(or $(WANTED),3.11 or newer); install it, or name one: make PYTHON=/path/to/python$(or $(WANTED),3.11) …" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make environments: apt-get install python3-venv (or your system's package of that name)" >&2; exit 2; }
	@echo "setting up .venv with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv .venv

.venv/.bench: pyproject.toml | .venv/bin/python
	@$(PIP) -e '.[cpu]' && touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	@$(PIP) -e '.[cpu,dev]' && touch .venv/.bench $@

.venv/.train: pyproject.toml | .venv/bin/python
	@$(PIP) -e '.[cpu,torch]' && touch .venv/.bench $@
