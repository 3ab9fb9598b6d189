# The commands of this project; CONTRIBUTING.md says more. Everything runs from .venv, which `make setup` makes.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup run kafka test check audit bench load chaos format lock docs catalogues screens flames clean

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: .venv/ready ## Make .venv with every locked dependency

.venv/ready: requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit("careapp needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	@echo "Installing the locked dependencies into .venv; the first time takes a minute or two"
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	@test -f .env || echo 'CAREAPP_ENV=development' > .env
	@touch $@

run: setup ## Start everything on http://127.0.0.1:8000 with the demo clinic
	@$(BIN)/python tools/run.py

kafka: setup ## Start a Kafka broker on port 9092 (needs Java 17 and Maven)
	@$(BIN)/python tools/kafka/broker.py

test: setup ## Run every test: real PostgreSQL, real Kafka, real browser
	@$(BIN)/python tools/test_setup.py
	$(BIN)/python -m pytest -n $(or $(TEST_WORKERS),auto) --dist loadgroup $(TESTS)

check: setup ## Format, lint, types, import direction, templates
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint careapp/templates --lint --quiet

audit: setup ## Write the bill of materials (SBOM) and ask for known vulnerabilities
	@$(BIN)/python tools/supply_chain.py

bench: setup ## Run the benchmarks (ARGS=relay, growth, soak, start, or '--quick --only board')
	@$(BIN)/python -m bench $(ARGS)

load: setup .venv-load/ready ## Load the server of `make run` for a minute (HOST=… USERS=24 SECONDS=60; docs/operations/load.md)
	@$(BIN)/python deploy/load/run.py $(if $(HOST),--host $(HOST)) $(if $(USERS),--users $(USERS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ALLOW),--this-is-my-server)

.venv-load/ready: requirements/load.txt
	$(PYTHON) -m venv .venv-load
	.venv-load/bin/python -m pip install --quiet --require-hashes -r requirements/load.txt
	@touch $@

chaos: setup ## Run the fault suite (SEED=1 SECONDS=240 FAULTS='database hangs,disk full')
	@$(BIN)/python -m chaos --write $(if $(SEED),--seed $(SEED)) --seconds $(or $(SECONDS),240) --faults '$(FAULTS)'

format: setup ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup ## Lock the dependencies again after a change of requirements/*.in
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --custom-compile-command 'make lock' --generate-hashes --universal --python-version 3.11 --quiet requirements/app.in -o requirements/app.txt
	$(BIN)/uv pip compile --custom-compile-command 'make lock' --generate-hashes --universal --python-version 3.11 --quiet requirements/dev.in -o requirements/dev.txt
	$(BIN)/uv pip compile --custom-compile-command 'make lock' --generate-hashes --universal --python-version 3.11 --quiet requirements/confluent.in -o requirements/confluent.txt
	$(BIN)/uv pip compile --custom-compile-command 'make lock' --generate-hashes --universal --python-version 3.11 --quiet requirements/load.in -o requirements/load.txt

docs: setup ## Write what is generated: docs/states.md, docs/security/access.md, docs/operations/configuration.md, docs/events
	$(BIN)/flask --app wsgi states
	$(BIN)/flask --app wsgi access
	$(BIN)/flask --app wsgi configuration
	$(BIN)/flask --app wsgi events schemas

catalogues: setup ## Bring the translations up to date with the texts in the code
	@$(BIN)/python tools/catalogues.py

screens: setup ## Take the pictures in docs/screens
	@$(BIN)/python -m tools.screens

flames: setup ## Draw where a running worker spends its time (PID=1234 NAME=booking)
	$(BIN)/py-spy record --pid $(PID) --gil --function --duration 20 --format flamegraph --output docs/performance/$(NAME).svg
	@sed -i 's|[^>]*py-spy record[^<]*|$(NAME)|' docs/performance/$(NAME).svg

clean: ## Remove the environment and everything in var/, the embedded database included
	-$(BIN)/python -m careapp.localdb stop var/postgres
	rm -rf .venv .venv-load var
