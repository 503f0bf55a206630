# make demo            run the main job on a rendered clip; needs only the core and OpenCV
# make demo VIDEO=…    the same on your own clip
# make test            lint, type check and the whole test suite

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOCK   := requirements.lock
# A server made of a provider's own OpenAPI document, by which tests have judged what is sent.
PRISM  := 5.14.2
# uv brings the locked, hashed packages in seconds; it lives inside the environment it fills.
UV     := $(BIN)/uv pip
INTO   := --python $(BIN)/python

.PHONY: demo test check lock clean

demo: $(VENV)/.demo
	$(BIN)/moviola demo $(if $(VIDEO),"$(VIDEO)") -o demo --overwrite

test: check $(VENV)/.prism-$(PRISM)
	$(BIN)/python -m pytest -n auto

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(BIN)/uv
	$(UV) compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --upgrade -o $(LOCK)

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

# A full environment serves the demo too; never shrink one.
$(VENV)/.demo: pyproject.toml $(LOCK) | $(BIN)/uv
	test -e $(VENV)/.dev || $(UV) install --quiet $(INTO) --verify-hashes -c $(LOCK) -e '.[classical]'
	touch $@

$(VENV)/.dev: pyproject.toml $(LOCK) | $(BIN)/uv
	$(UV) sync --quiet $(INTO) --require-hashes $(LOCK)
	$(UV) install --quiet $(INTO) --no-deps -e .
	touch $@

# Where npm cannot bring it, the tests that need it are skipped.
$(VENV)/.prism-$(PRISM): | $(VENV)/.dev
	PATH="$(CURDIR)/$(BIN):$$PATH" npm install --prefix $(VENV)/prism --no-package-lock --no-save \
	    --ignore-scripts --no-audit --no-fund --loglevel=error --fetch-retries=1 \
	    @stoplight/prism-cli@$(PRISM) && touch $@ || rm -rf $(VENV)/prism

clean:
	rm -rf $(VENV) demo
