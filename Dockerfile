# Build:  docker build -t relgate .
# Run:    docker run --rm relgate demo --exit-when-done
#         docker run -v $PWD:/etc/relgate:ro -v relgate:/var/lib/relgate -p 8080:8080 relgate
# To be reached from outside the container, daemon.public in config.toml must be
# "0.0.0.0:8080". The rest is in docs/operations.md. A test builds this image's file
# system step by step and runs it.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /relgate ./cmd/relgate \
 && mkdir -p /var/lib/relgate /empty

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /relgate /relgate
COPY --from=build --chown=65532:65532 /var/lib/relgate /var/lib/relgate
COPY --from=build --chown=65532:65532 /empty /tmp
# Where the journal lies, unless the config says a whole path.
ENV STATE_DIRECTORY=/var/lib/relgate
USER 65532:65532
WORKDIR /var/lib/relgate
VOLUME /var/lib/relgate
EXPOSE 8080 9091
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/relgate", "health", "/etc/relgate/config.toml"]
ENTRYPOINT ["/relgate"]
CMD ["serve", "/etc/relgate/config.toml"]
