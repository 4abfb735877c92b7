# Two images of Paragon. `server` runs a whole stage on one machine. Without --listen,
# the API listens on loopback addresses alone, so the container needs its host's network:
#
#   docker build --target server -t paragon .
#   docker run --network host -v paragon-data:/data paragon
#
# `worker` is the daemon that answers queries on a VM, configured by its
# environment as the stack's user data does.

# The ONNX Runtime library, by the lock file.
FROM node:24-bookworm-slim AS library
ARG TARGETARCH=amd64
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund \
    && case "$TARGETARCH" in amd64) arch=x64 ;; *) arch="$TARGETARCH" ;; esac \
    && cp "node_modules/onnxruntime-node/bin/napi-v6/linux/$arch/libonnxruntime.so.1" /libonnxruntime.so.1

# The binaries, built as make build does.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN mkdir -p /out/data \
    && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -tags lambda.norpc,grpcnotrace -o /out/ ./cmd/paragon ./workers ./functions/inference \
    && mv /out/workers /out/worker

FROM gcr.io/distroless/cc-debian12:nonroot AS worker
COPY --from=library /libonnxruntime.so.1 /app/lib/libonnxruntime.so.1
COPY --from=build /out/worker /app/worker
COPY LICENSE NOTICE /app/
ENTRYPOINT ["/app/worker"]

FROM worker AS server
COPY --from=build /out/paragon /out/inference /app/
COPY --from=build --chown=nonroot:nonroot /out/data /data
VOLUME /data
ENTRYPOINT ["/app/paragon"]
CMD ["up", "--data", "/data"]
