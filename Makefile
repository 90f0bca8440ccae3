.PHONY: build test quick bench demo docs

build:            ## the binary, static
	CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w" -o relgate ./cmd/relgate

demo:             ## the release plan of config.toml, in about 90 seconds
	go run ./cmd/relgate demo --exit-when-done

test:             ## everything that CI runs
	./test.sh

quick:
	./test.sh quick

bench:            ## benchmarks with their baselines in the same run
	go test -run '^$$' -bench . -benchmem -count 3 ./evaluator/... ./exporters/... ./rules/... ./config/...
	cd bench && go test -run '^$$' -bench . -benchmem -count 3 -timeout 60m ./...

docs:             ## write the generated documents again
	go test ./config ./exporters/gate ./exporters/prom ./cmd/relgate -run 'Fresh|Docs|Generated' -update
