#!/usr/bin/env bash
# Prints the folder of a CUDA toolkit, with bin/nvcc and include/cuda.h: CUDA_HOME,
# an installed one, or NVIDIA's wheels from PyPI (1.1 GB the first time).
set -eu
for dir in "${CUDA_HOME:-}" /usr/local/cuda; do
	if [ -n "$dir" ] && [ -e "$dir/bin/nvcc" ] && [ -e "$dir/include/cuda.h" ] && [ -e "$dir/include/cublasLt.h" ]; then
		echo "$dir"
		exit
	fi
done
venv=$("$(dirname "$0")/venv.sh" --no-deps nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 \
	nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85 nvidia-cublas==13.1.1.3 nvidia-cuda-nvrtc==13.0.88)
echo "$venv"/lib/python3*/site-packages/nvidia/cu13
