# The edge as a container. Build at the repository's root:
#
#   docker build -f infra/edge-ingest.Dockerfile -t edge-ingest .
#
# It runs as nobody, writes nothing, and needs no shell. SIGTERM drains it: give it 120 s.
FROM rust:1.95.0-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential cmake
WORKDIR /src
COPY . .
RUN cargo build --locked --release -p edge-ingest --features elasticache && strip target/release/edge-ingest

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/edge-ingest /edge-ingest
EXPOSE 1935 1936 9090
ENTRYPOINT ["/edge-ingest"]
