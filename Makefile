# Two commands matter: `make run` and `make test`.
PYTHON ?= python3.11
BIN := .venv/bin
INSTALLED := .venv/.installed
PORT ?= 8000
# Where pip finds a build of torch other than its default, for example a CPU-only one.
TORCH_INDEX ?=

.PHONY: run test test-fast lint install lock bench serve clean

run: install .env
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py load_offline
	$(BIN)/python manage.py warm
	$(BIN)/python manage.py first_admin
	$(BIN)/python manage.py train --market SP500-1d --preset quick --first-only
	$(BIN)/python manage.py up --port $(PORT)

serve: install .env
	$(BIN)/python manage.py up --port $(PORT)

# The quick start's own keys, made once on this machine and never committed.
.env:
	$(PYTHON) -m trainingday.local_environment > .env.new && chmod 600 .env.new && mv .env.new .env

install: $(INSTALLED)

$(INSTALLED): requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -q torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(BIN)/pip install --disable-pip-version-check -q --require-hashes --no-deps -r requirements.lock
	touch $(INSTALLED)

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not browser and not load" $(PYTEST)
	$(BIN)/python -m pytest -m "browser or load" $(PYTEST)

test-fast: install
	$(BIN)/python -m pytest -n 2 -m "not slow and not browser and not load" $(PYTEST)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy trainingday sessions strategies patterns
	$(BIN)/lint-imports

bench: install
	$(BIN)/python -m bench

# Installs what pyproject.toml names, then pins all that is installed, but torch, with its hashes.
lock: install
	$(BIN)/uv pip install -q -r pyproject.toml --all-extras
	$(BIN)/uv pip freeze --exclude torch --exclude pip | $(BIN)/uv pip compile --no-deps --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links -q -o requirements.lock -

clean:
	rm -rf .venv var .pytest_cache .mypy_cache .ruff_cache
