# Everything sets itself up: a virtual environment in .venv, with the versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --constraint constraints.txt

# OpenMP's threads spin while they wait: beside other programs the tests would take five times as long.
export GOMP_SPINCOUNT ?= 1000

# Two processes of one thread each: most tests wait for others, or are too small for two.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-page same-bytes check format docs shape bench pictures cuda
.PHONY: check-gpu clean

help:
	@echo "make demo       fetch a real model and data, make it small, compare both, classify in five languages"
	@echo "make test       all fast tests"
	@echo "make check      format, lint, types, import contracts and tests"
	@echo "make test-slow  the tests that take minutes or need downloads, and those of test-page"
	@echo "make test-page  the server's page in Chromium, which the system has to have"
	@echo "make shape      how the code is laid out: files, sizes, circles, floors"
	@echo "make docs       the documentation as a site, in site/"
	@echo "make same-bytes whether REV=main and this checkout build the same bytes"
	@echo "make cuda       the CUDA builds of torch, onnxruntime and llama.cpp, for the GPUs of this machine"
	@echo "make check-gpu  what a GPU computes beside the CPU, in a table, in 8 minutes at most"
	@echo "make bench      build all recipes of the sample, and compare them in one table (hours)"

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable '.[compress,files,tui]'
	@touch $@

# llama.cpp is compiled here: it takes minutes, and neither the demo nor a classifier needs it.
.venv/ready-to-test: .venv/ready
	$(INSTALL) --editable '.[compress,dask,files,gguf,pii,ray,serve,tui,dev]'
	@touch $@

.venv/ready-for-docs: .venv/ready
	$(INSTALL) mkdocs-material
	@touch $@

.venv/ready-for-pages: .venv/ready-to-test
	$(INSTALL) playwright
	@touch $@

demo: .venv/ready
	$(BIN)/edgekit sample home-intents demo
	@echo "== A short variant of the recipe: it trains less than demo/recipe.yaml does, then trims."
	$(BIN)/edgekit compress demo/quick.yaml --out demo/quick
	$(BIN)/edgekit bench demo/quick/home-intents-quick-onnx --against demo/quick/teacher \
		--data demo/data/test.csv --quick
	$(BIN)/edgekit verify demo/quick/home-intents-quick-onnx
	$(BIN)/edgekit classify demo/quick/home-intents-quick-onnx \
		"turn on the kitchen light" "éteins la lumière du salon" "schalte die Heizung ein" \
		"apaga las luces del dormitorio" "关灯"
	@echo "== Next: demo/quick/report.html, and README.md for what each command does."

test: .venv/ready-to-test
	$(PYTEST)

test-slow: .venv/ready-to-test
	$(BIN)/pytest -m slow
	$(MAKE) test-page

# By itself `make test` passes over these where there is no browser.
test-page: .venv/ready-for-pages
	@command -v chromium || command -v chromium-browser || \
		{ echo "The server's page is tested in Chromium, which is not here: apt-get install chromium"; exit 2; }
	$(BIN)/pytest tests/serving/page

# Of a change that is to leave every byte: BUILDS='classifier chat' for some of the builds alone.
same-bytes: .venv/ready-to-test
	@test -n "$(REV)" || { echo "Say what to compare with: make same-bytes REV=main"; exit 2; }
	$(BIN)/python -m tests.same_bytes $(REV) $(if $(BUILDS),--builds $(BUILDS))

check: .venv/ready-to-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

format: .venv/ready-to-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

shape: .venv/ready-to-test
	@$(BIN)/python -m tests.house.shape

docs: .venv/ready-for-docs
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/decoders.py
	$(BIN)/python docs/codes.py
	$(BIN)/mkdocs build --strict

bench: .venv/ready
	$(BIN)/edgekit sample home-intents demo
	$(BIN)/python tests/bench/table.py demo

# The documentation's pictures of the terminal app, taken from the app itself: an artifact of each task.
ARTIFACTS ?= demo/quick/home-intents-quick-onnx chat/out/smollm2-gguf \
	summaries/out/package-summaries-onnx

pictures: .venv/ready
	$(BIN)/python -m tests.tui.pictures docs/pictures demo/data/test.csv $(ARTIFACTS)

# The architectures of the GPUs found here, unless others are asked for: CUDA_ARCHITECTURES='75;86'
CUDA_ARCHITECTURES ?=
PINNED = $(shell sed -n 's/^$(1)==//p' constraints.txt)

# `===` takes PyPI's build, which on Linux has CUDA and brings cuBLAS, and never a +cpu one.
cuda: .venv/ready
	$(BIN)/pip uninstall --quiet --yes torch onnxruntime onnxruntime-gpu
	$(BIN)/pip install --quiet 'torch===$(call PINNED,torch)' \
		'onnxruntime-gpu[cuda,cudnn]==$(call PINNED,onnxruntime)'
	arguments="$$($(BIN)/python -m edgekit.cli.cuda '$(CUDA_ARCHITECTURES)')" && \
		CMAKE_ARGS="$$arguments" $(BIN)/pip install --force-reinstall --no-deps --no-cache-dir \
		--no-binary llama-cpp-python 'llama-cpp-python==$(call PINNED,llama_cpp_python)'
	$(BIN)/edgekit doctor

# After `make cuda`. On the real models where `edgekit sample home-intents gpu/home-intents` and
# `edgekit sample smollm2 gpu/smollm2` have left them, else on tiny ones.
check-gpu: .venv/ready-to-test
	$(BIN)/python -m tests.gpu.check --samples gpu --out gpu

clean:
	rm -rf .venv demo dist gpu site .pytest_cache .mypy_cache .ruff_cache
