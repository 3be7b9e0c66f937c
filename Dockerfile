# Commands on a CPU: docker build -t mobilellm . &&
# docker run -v "$PWD:/data" mobilellm --config quickstart.yaml --data /data/text.txt --out /data/run
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN GOEXPERIMENT=simd go build -trimpath -o /out/ ./cmd/...

FROM debian:bookworm-slim
# Debian keeps only the newest build of a package, so versions cannot be pinned.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libdnnl2 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 mobilellm
COPY --from=build /out/ /usr/local/bin/
USER 1000
WORKDIR /home/mobilellm
ENTRYPOINT ["mobilellm-train"]
