# Two commands for a newcomer, each from a bare clone:
#   make demo    a whole experiment on made-up scenes, with its report
#   make test    the tests
# and for who changes something:
#   make check   format, lint, types, layers

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test check format clean help
help:
	@sed -n 's/^# \{0,1\}//p' Makefile

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[learned,dask,aws,mri,dev]'
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/orbiq demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 -q

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv orbiq-demo
