# Two commands set everything up: `make demo` and `make test`.
VENV    ?= .venv
PYTHON  ?= python3
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
NATIVE  := $(shell find cpp -name '*.cpp' -o -name '*.h' -o -name 'CMakeLists.txt') CMakeLists.txt

.PHONY: fuzz sanitize kill soak demo test test-ray check fix setup site tour bench recipes-table results clean
setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt $(NATIVE)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade "pip>=24"
	$(BIN)/pip install -q -c constraints.txt "scikit-build-core>=0.10" "nanobind>=2.4" cmake ninja
	$(BIN)/pip install -q -c constraints.txt --no-build-isolation -e ".[dev]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/sulsul demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2

# On a Ray cluster of two workers of this machine.
test-ray: $(STAMP)
	$(BIN)/pip install -q -c constraints.txt "ray[data,train]>=2.50"
	$(BIN)/python -m pytest tests/distributed/test_ray.py

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	find cpp -name '*.cpp' -o -name '*.h' | xargs $(BIN)/clang-format --dry-run -Werror
	$(MAKE) site

fix: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	find cpp -name '*.cpp' -o -name '*.h' | xargs $(BIN)/clang-format -i

# The documentation, without the network; read it with `python -m http.server -d site`.
site: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# What the commands of the tour and the cells of the notebook print, printed again.
tour: $(STAMP)
	$(BIN)/python scripts/run_tour.py docs/tour.md
	$(BIN)/python scripts/run_notebook.py docs/from-csv-to-server.ipynb

# BENCH chooses what to measure, for example BENCH="--quick --sections training --workloads s0_lstm"
bench: $(STAMP)
	$(BIN)/python benchmarks/run.py $(BENCH)

recipes-table: $(STAMP)
	$(BIN)/python benchmarks/recipes.py

results: $(STAMP)
	$(BIN)/python benchmarks/results.py

SECONDS_EACH ?= 60
fuzz: $(STAMP)
	$(BIN)/pip install -q -c constraints.txt "atheris>=3.0"
	$(BIN)/python benchmarks/fuzz/run.py --seconds $(SECONDS_EACH)

sanitize: $(STAMP)
	$(BIN)/python scripts/sanitize.py address,undefined
	$(BIN)/python scripts/sanitize.py thread

kill: $(STAMP)
	$(BIN)/python benchmarks/kill.py --kills 200

soak: $(STAMP)
	$(BIN)/python benchmarks/soak.py --minutes 60

clean:
	rm -rf build $(VENV) dist site .cache
