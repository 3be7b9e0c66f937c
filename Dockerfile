# Training on a CPU: docker build -t mobilellm . &&
# docker run -v "$PWD:/data" mobilellm --config quickstart.yaml --data /data/text.txt --out /data/run
# Serving: docker build --target serve -t mobilellm-serve . &&
# docker run -p 127.0.0.1:8080:8080 -v "$PWD:/data:ro" mobilellm-serve --model /data/run
# Ranks on many machines: docker build --target mpi -t mobilellm:mpi . (docs/scale.md)
# On NVIDIA GPUs: docker build --target cuda -t mobilellm-cuda . &&
# docker run --gpus all -v "$PWD:/data" mobilellm-cuda --config 125m.yaml --data /data/text.txt --out /data/run

FROM nvidia/cuda:13.0.2-devel-ubuntu24.04 AS build-cuda
COPY --from=golang:1.26-bookworm /usr/local/go /usr/local/go
ENV PATH=/usr/local/go/bin:$PATH CUDA_HOME=/usr/local/cuda
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN OUT=/out GOEXPERIMENT=simd scripts/build-gpu.sh

# The runtime image has cublasLt; the base image has not.
FROM nvidia/cuda:13.0.2-runtime-ubuntu24.04 AS cuda
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libdnnl3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1001 mobilellm
COPY --from=build-cuda /out/ /usr/local/bin/
USER 1001
WORKDIR /home/mobilellm
ENTRYPOINT ["mobilellm-train"]

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN GOEXPERIMENT=simd go build -trimpath -o /out/ ./cmd/...

FROM debian:bookworm-slim AS cpu
# Debian keeps only the newest build of a package, so versions cannot be pinned.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libdnnl2 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 mobilellm
COPY --from=build /out/ /usr/local/bin/
USER 1000
WORKDIR /home/mobilellm

FROM cpu AS serve
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=6s --start-period=1m \
  CMD ["mobilellm-serve", "--check", "http://127.0.0.1:8080"]
ENTRYPOINT ["mobilellm-serve", "--listen", "0.0.0.0:8080"]

# Ranks of one run on many pods, by Kubernetes' MPI operator (docs/scale/mpijob.yaml), which
# starts them over SSH as root.
FROM cpu AS mpi
# hadolint ignore=DL3002
USER 0
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends openmpi-bin openssh-client openssh-server \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /run/sshd \
 && printf 'StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n' > /etc/ssh/ssh_config.d/mpi.conf
ENTRYPOINT []

# The last stage is what docker build makes without --target.
FROM cpu
ENTRYPOINT ["mobilellm-train"]
