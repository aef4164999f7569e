# One word a task; `make` lists them.

PYTHON  ?= python3
VENV    ?= .venv
BIN     := $(VENV)/bin
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
AXE     := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fer/axe
export MPLBACKEND := Agg

.DEFAULT_GOAL := help
.PHONY: help setup demo dist test test-fast coverage fuzz interruptions versions lint format docs tools browser bench detection-quality cascade cascade-small datasets models clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.setup: setup.cfg pyproject.toml scripts/environment.sh
	@PYTHON="$(PYTHON)" sh scripts/environment.sh "$(VENV)" demo
	@touch $@

$(VENV)/.setup-dev: $(VENV)/.setup
	@PYTHON="$(PYTHON)" sh scripts/environment.sh "$(VENV)" demo,docs,test,lint
	@touch $@

$(VENV)/.setup-docs: $(VENV)/.setup
	@PYTHON="$(PYTHON)" sh scripts/environment.sh "$(VENV)" demo,docs
	@touch $@

setup: $(VENV)/.setup  ## make a virtual environment and install fer into it
	@echo "fer is installed: $(BIN)/fer --help"

demo: $(VENV)/.setup  ## run fer demo: train a face cascade on real faces, measure it, draw it
	rm -rf demo
	$(BIN)/fer demo --out demo

dist: $(VENV)/.setup-dev  ## build the wheel, dist/fercli-*.whl
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist .
	@ls dist/*.whl

test: $(VENV)/.setup-dev tools browser  ## run all tests, those with OpenCV's own programs included
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --durations=20

test-fast: $(VENV)/.setup-dev  ## run the quick tests only
	$(BIN)/pytest -n $(WORKERS) -m "not slow and not opencv3"

coverage: $(VENV)/.setup-dev tools  ## measure what the tests reach, kernels included
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest -n $(WORKERS) --cov --cov-report=term -m "not slow and not compiled"

fuzz: $(VENV)/.setup-dev  ## give every reader mutated input: CASES=120000 SEED=0 READERS='*'
	$(BIN)/python -m scripts.fuzz --cases $(or $(CASES),120000) --seed $(or $(SEED),0) \
	    --readers '$(or $(READERS),*)'

interruptions: $(VENV)/.setup-dev tools  ## kill, interrupt and starve fer at random moments: ROUNDS=20
	$(BIN)/python -m scripts.interruptions --rounds $(or $(ROUNDS),20)

versions: $(VENV)/.setup-dev  ## run the quick tests with the lowest and with other versions of libraries
	@PYTHON="$(PYTHON)" WORKERS="$(WORKERS)" sh scripts/versions.sh runs/versions $(NAMES)

lint: $(VENV)/.setup-dev  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	for system in linux win32 darwin; do \
	    $(BIN)/mypy --platform $$system --cache-dir .mypy_cache/$$system || exit 1; done

format: $(VENV)/.setup-dev  ## put the code into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.setup-docs  ## build the documentation, the command reference anew from --help
	$(BIN)/python scripts/command_reference.py docs/commands.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "$(CURDIR)/runs/docs/index.html"

tools: $(VENV)/.setup-dev  ## build OpenCV 3.4's own training programs, once (minutes)
	@sh scripts/need.sh g++ g++
	$(BIN)/fer cascade tools install

browser:  ## install Chromium, and axe-core from npm, for the tests of the web page; without them they are skipped
	@sh scripts/need.sh chromedriver chromium chromium-driver || true
	@test -e "$(AXE)/node_modules/axe-core/axe.min.js" || npm install --silent --no-fund --no-audit \
	    --prefix "$(AXE)" axe-core@4.14.1 || echo "npm gave no axe-core: its tests are skipped" >&2

bench: $(VENV)/.setup-dev tools  ## run the timed comparisons, on an idle machine: DATA=folder NAMES=some
	@test -d "$(DATA)" || { echo "make bench DATA=folder of the development data" >&2; exit 1; }
	$(BIN)/python scripts/benchmarks.py --data "$(DATA)" --out BENCHMARKS.md $(OPTIONS) $(NAMES)

detection-quality: $(VENV)/.setup  ## measure cascades, with intervals: TRUTH='a/info.dat b/info.dat' CASCADES=some
	$(BIN)/python scripts/detection_quality.py $(CASCADES) $(patsubst %,--truth %,$(TRUTH))

cascade: VEC_USED = $(or $(VEC),runs/cascade/faces.vec)
cascade: NEGATIVES_USED = $(or $(NEGATIVES),runs/cascade/scenes)
cascade: TRAIN_OPTIONS = $(if $(NEGATIVES),,--turn-backgrounds) $(OPTIONS)
cascade: $(VENV)/.setup  ## train the face cascade: VEC=faces.vec NEGATIVES=folder FER2013=fer2013.csv, else fetched ones
	$(if $(and $(VEC),$(NEGATIVES)),,$(BIN)/fer cascade fetch-faces --out runs/cascade/faces.vec \
	    $(if $(NEGATIVES),,--negatives runs/cascade/scenes))
	$(if $(FER2013),$(BIN)/fer cascade train --recipe frontalface-start --stages 15 \
	    --vec "$(VEC_USED)" --bg "$(NEGATIVES_USED)" --out runs/cascade/start)
	@mkdir -p runs/cascade
	for copies in 1 3; do $(BIN)/python -m scripts.face_positives "$(VEC_USED)" --copies $$copies \
	    --out runs/cascade/positives$$copies.vec \
	    $(if $(FER2013),--fer2013 "$(FER2013)" --aligner runs/cascade/start/cascade.xml) || exit 1; done
	$(BIN)/fer cascade train --recipe frontalface-stages \
	    --vec runs/cascade/positives1.vec --bg "$(NEGATIVES_USED)" \
	    --out runs/cascade/stages $(TRAIN_OPTIONS)
	$(BIN)/fer cascade train --recipe frontalface --continue-from runs/cascade/stages/cascade.xml \
	    --vec runs/cascade/positives3.vec --bg "$(NEGATIVES_USED)" \
	    --out runs/cascade/frontalface $(TRAIN_OPTIONS)
	$(BIN)/fer cascade convert runs/cascade/frontalface/cascade.xml --compact --overwrite \
	    --out runs/cascade/frontalface.xml

cascade-small: SMALL = $(BIN)/fer cascade train --recipe frontalface-small \
    --vec runs/cascade/positives1.vec --bg "$(or $(NEGATIVES),runs/cascade/scenes)" $(OPTIONS) --out runs/cascade
cascade-small: $(VENV)/.setup  ## train the small face cascade, after make cascade, which makes its positives: NEGATIVES=folder
	$(SMALL)/small1 --nested-from 1 --stages 6 --min-hit-rate 0.985 --max-false-alarm-rate 0.4 --negatives 8000
	$(SMALL)/small2 --continue-from runs/cascade/small1/cascade.xml --nested-from 1 --stages 8 \
	    --min-hit-rate 0.985 --max-false-alarm-rate 0.2 --negatives 10000
	$(SMALL)/small3 --continue-from runs/cascade/small2/cascade.xml --stages 11 \
	    --min-hit-rate 0.99 --max-false-alarm-rate 0.4 --negatives 8000
	$(SMALL)/small4 --continue-from runs/cascade/small3/cascade.xml
	$(BIN)/fer cascade convert runs/cascade/small4/cascade.xml --compact --overwrite \
	    --out runs/cascade/frontalface-small.xml

datasets: $(VENV)/.setup  ## import, split and examine FER-2013 and FER+: DOWNLOADS=folder
	@PATH="$(abspath $(BIN)):$$PATH" sh scripts/datasets.sh "$(DOWNLOADS)" runs/datasets

models: $(VENV)/.setup  ## train, measure and export the models, hours: DOWNLOADS=folder NAMES=some
	@PATH="$(abspath $(BIN)):$$PATH" sh scripts/models.sh "$(DOWNLOADS)" runs/models $(NAMES)

clean:  ## remove what builds, tests and the demo left; environments stay
	rm -rf build dist demo htmlcov .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
