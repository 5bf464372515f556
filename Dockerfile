# Atomik in a small image of its own: the dashboard, then the program that embeds it, then nothing else.
#
#   docker build -t atomik .

FROM node:22-bookworm-slim AS dashboard
WORKDIR /atomik/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM rust:1.95-bookworm AS program
WORKDIR /atomik
COPY Cargo.toml Cargo.lock ./
COPY .cargo/ .cargo/
COPY crates/ crates/
COPY --from=dashboard /atomik/web/dist web/dist
RUN cargo build --release --locked -p atomik-server

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --no-install-recommends -y ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/atomik atomik \
    && install -d -o atomik -g atomik -m 700 /var/lib/atomik
COPY --from=program /atomik/target/release/atomik /usr/local/bin/atomik
USER atomik
ENV ATOMIK_STORE__DATA_DIR=/var/lib/atomik \
    ATOMIK_SERVER__LISTEN=0.0.0.0:8080
VOLUME /var/lib/atomik
EXPOSE 8080
STOPSIGNAL SIGTERM
# The image has no client for HTTP, and needs none for a line.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3; read -r line <&3; [[ $line == *' 200 '* ]]"]
ENTRYPOINT ["atomik"]
CMD ["serve"]
