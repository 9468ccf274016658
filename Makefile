# Each target makes what it needs; a fresh machine has git, make and Python >= 3.11.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test soak bench lint docs changelog clean

demo: $(READY)
	$(BIN)/githarness demo

# One worker more than a small machine has cores, since tests also wait; each goes through files in one piece, so that what
# a file sets up is set up once.
test: $(READY)
	$(BIN)/python -m pytest -q -n 3 --dist worksteal

soak: $(READY)
	$(BIN)/python -m pytest -q -n 2 -m soak

bench: $(READY)
	for each in writes rollback startup policy blast vault coordination; do $(BIN)/python bench/$$each.py || exit 1; done

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/hooks_catalogue.py

changelog: $(READY)
	$(BIN)/python docs/changelog.py

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

clean:
	rm -rf .venv dist build
