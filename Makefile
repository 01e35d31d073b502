# Each target does its own set-up: a fresh clone needs Python 3.11, or any Python with pip, and nothing else.
#   make demo                     a page to try it on: the pipeline where nothing is pushed, server and app (CONFIG, DATA)
#   make run                      data -> trained, gated, pushed model (DATA=path CONFIG=file ARGS="--set ...")
#   make serve                    the pushed models over gRPC and REST
#   make images                   container images of the pipeline and the model server (BASE=image with Python 3.11)
#   make test                     lint and the tests, under 12 minutes on 2 cores
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo run serve test browser test-nightly test-owed lint house format bench bench-serving bench-app bench-command-line bench-ann bench-quality bench-behaviour bench-scale bench-month docs images lock clean

bin := .venv/bin
ARGS ?=

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t14

setup: ## create .venv and install the pipeline's locked packages
	@requirements/install.sh pipeline

setup-dev: ## the same with the tools for tests and lint
	@requirements/install.sh dev

demo: setup ## a page on 127.0.0.1:8080 to try the recommender on; Ctrl-C stops it (DATA, CONFIG, ARGS="--port 8081")
	@$(bin)/marquee demo $(if $(DATA),--data "$(DATA)") $(if $(CONFIG),--config "$(CONFIG)") $(ARGS)

run: setup ## run the pipeline: DATA=folder, else a local copy, a download or the generated sample
	@$(bin)/marquee run $(if $(DATA),--data "$(DATA)") $(if $(CONFIG),--config "$(CONFIG)") $(ARGS)

serve: setup ## serve the newest pushed models over gRPC and REST (ARGS="--workers 2"); Ctrl-C stops it
	@$(bin)/marquee serve $(if $(CONFIG),--config "$(CONFIG)") $(ARGS)

# One call of pytest for whatever is tested. A file's tests run in one process, so that no fixture is made
# twice; the longest files first (tests/slowest.tsv).
pytest = $(bin)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --timeout 1800 --durations 25
TESTS ?= not long and not nightly

test: setup-dev browser lint ## lint, then the quick tests (TESTS="not nightly" for all that CI runs)
	@$(pytest) -m "$(TESTS)" $(ARGS)

browser: ## Debian's Chromium for the browser tests, where apt-get as root can install it
	@requirements/chromium.sh

test-nightly: setup-dev ## the tests of what rarely changes, hours; with BASE=revision only those owed since then
	@$(pytest) -m nightly --timeout 3600 $(if $(BASE),--owed-since "$(BASE)") $(ARGS)

test-owed: setup-dev ## which nightly tests a change owes (BASE=revision, default main)
	@$(bin)/python -m pytest -m nightly --owed-since "$(or $(BASE),main)" --collect-only -q || [ $$? -eq 5 ]

lint: setup-dev ## ruff, mypy, import-linter, the quick part of house
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy
	@$(bin)/lint-imports --no-logo
	@$(bin)/python -m tools.house --quick --quiet

house: setup-dev ## the source tree in figures, each against its bound: folders, circles, layers, duplicates, sizes
	@$(bin)/python -m tools.house $(ARGS)

format: setup-dev ## let ruff rewrite what it can
	@$(bin)/ruff check --fix-only .
	@$(bin)/ruff format .

bench: setup-dev ## seconds and peak memory of each component (DATA as for run)
	@$(bin)/python benchmarks/run.py $(if $(DATA),--data "$(DATA)") $(ARGS)

bench-serving: setup-dev ## the model server against in-process, naive and empty servers (ARGS=--sample without a pushed model)
	@$(bin)/python benchmarks/serving.py $(ARGS)

bench-app: setup-dev ## the application over the model server: what it adds, what it survives (ARGS="--only load")
	@$(bin)/python -m benchmarks.app $(ARGS)

bench-command-line: setup-dev ## seconds of the commands, with the newest pushed model loaded or served (ARGS="--server URL")
	@$(bin)/python benchmarks/command_line.py $(if $(CONFIG),--config "$(CONFIG)") $(ARGS)

bench-ann: setup-dev ## ScaNN as exported against exact search, faiss and hnswlib on a million items (FOLDER keeps what is made)
	@$(bin)/python benchmarks/ann.py --folder "$(or $(FOLDER),artifacts/bench-ann)" $(ARGS)

bench-quality: setup-dev ## the two-tower against the other models of the leaderboard, hours (DATA=folder; ARGS=--large for time and memory)
	@$(bin)/python benchmarks/quality.py $(if $(DATA),--data "$(DATA)") $(ARGS)

bench-behaviour: setup-dev ## the newest pushed model with new people and items, explanations, diversity, similar items
	@$(bin)/python -m benchmarks.behaviour $(if $(CONFIG),--config "$(CONFIG)") $(ARGS)

bench-month: setup-dev ## a month of a shop that changes: daily retraining, refresh alone, neither; an hour
	@$(bin)/python benchmarks/month.py $(ARGS)

bench-scale: setup-dev ## the whole pipeline on a million generated ratings, one epoch (ARGS="--ratings 10000000 32000000", hours)
	@$(bin)/python benchmarks/pipeline_scale.py $(ARGS)

docs: setup-dev ## the docs site in build/site; first the reference pages and reference.yaml from the code
	@$(bin)/python -m pipeline.reference docs/reference pipeline/configs/reference.yaml
	@NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --strict $(ARGS)
	@echo build/site/index.html

images: ## build the container images with podman or docker (BASE=image-with-python3.11, IMAGES, PREFIX, VERSION, ENGINE)
	@BASE="$(BASE)" IMAGES="$(IMAGES)" PREFIX="$(PREFIX)" VERSION="$(VERSION)" ENGINE="$(ENGINE)" kubernetes/images/build.sh

lock: setup-dev ## write the hashed locks anew from pyproject.toml (ARGS=--upgrade for newer releases)
	@requirements/lock.sh $(ARGS)

clean: ## remove what runs and tools made; .venv, data and pushed models (artifacts/serving_model) stay
	@[ ! -d artifacts ] || find artifacts -mindepth 1 -maxdepth 1 ! -name serving_model -exec rm -rf {} +
	@rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
