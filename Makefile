# Airferry: `make demo` shows it on a lab site, `make test` tests it. Both do their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOSTS ?= 3
SECONDS ?= 60
PROTOTYPE ?= $(wildcard ../shared/import_prototype.py)
LAB := $(BIN)/python -m tests.lab
SUITE := $(BIN)/python -m tests.suite

.PHONY: setup demo test test-loaded check format fuzz bench bench-import bench-hosts bench-backup bench-scale bench-tui bench-start bench-packages screenshots lab-up lab-down docs requirements clean

setup: $(VENV)/.complete ## make .venv/bin/airferry

$(VENV)/.complete: requirements.txt requirements-dev.txt pyproject.toml
	@scripts/setup "$(PYTHON)" "$(VENV)"

lab-up: setup ## a site on this machine: HOSTS hosts with systemd and sshd, no Docker
	@$(LAB) up --hosts $(HOSTS)

lab-down: setup ## remove everything that lab-up started
	@$(LAB) down

demo: setup ## the whole job on the lab: in the TUI, or with HEADLESS=1 without a terminal
	@scripts/demo "$(BIN)" "$(HOSTS)" "$(HEADLESS)"

check: setup ## format, lint, types, import rules, fast tests; needs no program of the machine
	@$(SUITE) check

format: setup
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

test: setup ## everything: what check does, tests with programs, slow, fuzz, lab; leaves nothing running
	@$(SUITE) all

test-loaded: setup ## the same while as many busy processes as cores run beside it
	@$(SUITE) --loaded --keep-going all

fuzz: setup ## damaged bundles and registries that answer at random, for SECONDS
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

bench: bench-import bench-hosts bench-backup bench-scale bench-tui bench-start ## all benches

bench-packages: setup
	@$(LAB) packages

bench-import: bench-packages ## the import side by side with what a user would pick; PROTOTYPE=path adds a row
	@$(BIN)/python -m tests.bench.imports $(if $(PROTOTYPE),--prototype "$(PROTOTYPE)")

bench-hosts: setup ## warming hosts side by side with what a user would do, on a lab of four hosts
	@$(BIN)/python -m tests.bench.hosts

bench-backup: bench-packages ## backup and restore side by side with tar and with skopeo sync
	@$(BIN)/python -m tests.bench.backups

bench-scale: setup ## 500 hosts served by a fake: time to all facts, memory, writes to the journal
	@$(BIN)/python -m tests.bench.scale

bench-tui: setup ## the screens on a pseudo-terminal while 500 hosts are at work: starts, keys, bytes
	@$(BIN)/python -m tests.bench.tui

bench-start: bench-packages ## commands beside the bare interpreter; AGAINST=path/to/airferry adds another checkout's
	@$(BIN)/python -m tests.bench.starts $(if $(AGAINST),--against "$(AGAINST)")

screenshots: setup ## screenshots/*.svg from a real run on the lab
	@scripts/screenshots "$(BIN)"

docs: setup ## README's table of the config's keys, and their JSON schema
	@PYTHONPATH=. $(BIN)/python scripts/docs

requirements: ## write the pinned requirements anew
	@scripts/pin "$(PYTHON)"

clean:
	rm -rf $(VENV) build *.egg-info
