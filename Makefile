# `make demo` shows flexEmu at work, `make test` tests it. Both need Go, make and git only; what else is there is used.

.DEFAULT_GOAL := help
.PHONY: help build demo examples bench test test-go test-contracts test-cannon tools generate check-generated clean

GO ?= go
# Guests are built for machines without floats.
MIPS64 := GOOS=linux GOARCH=mips64 GOMIPS64=softfloat CGO_ENABLED=0
# Go 1.26 takes memory for zero that it has given back with madvise; here that changes nothing: see examples/README.md.
MEMORY := -ldflags '-X runtime.godebugDefault=madvdontneed=0,decoratemappings=0'
# The same sources give the same guest, wherever they lie, and so the same roots.
SAME := -trimpath -buildvcs=false

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/flexemu
	$(GO) build -o bin/flexemu ./cmd/flexemu

demo: build ## execute a block of Ethereum transactions, prove steps of it, have the contract accept them; dispute its result
	$(MIPS64) $(GO) build $(SAME) $(MEMORY) -o build/evm.mips64 ./examples/evm
	$(GO) run ./examples/evm/gen -out build/preimages
	bin/flexemu demo --preimages build/preimages build/evm.mips64
	bin/flexemu dispute demo --preimages build/preimages build/evm.mips64

examples: ## the example guests: Go ones for mips64, C ones for every instruction set that there is a compiler for
	$(MIPS64) $(GO) build $(SAME) $(MEMORY) -o build/go/ ./examples/go/...
	$(MAKE) -C examples/c BUILD=$(CURDIR)/build/c

bench: build ## measure speed, roots, witnesses and snapshots beside native code, qemu and Cannon, which is downloaded; takes ten minutes
	$(GO) run ./internal/bench $(BENCH)

test: tools test-go test-contracts ## all tests; installs the compilers and emulators they compare with if it may

test-go: ## the tests in Go
	$(GO) vet ./...
	$(GO) test ./...

test-contracts: ## the tests in Solidity, if Node is there
	scripts/test-contracts

test-cannon: build ## compare with Optimism's Cannon, which is downloaded; takes minutes
	cd internal/oracle/cannon && FLEXEMU=$(CURDIR)/bin/flexemu $(GO) test -count=1 -short -timeout 60m ./...
	FLEXEMU=$(CURDIR)/bin/flexemu internal/oracle/challenger/test.sh -count=1 -short -timeout 60m

tools: ## install the system packages that the tests use, if this is Debian or like it and we are root
	scripts/test-tools

generate: ## write everything that follows from the rows: Go, Solidity, its compiled form, tables
	$(GO) run ./internal/gen
	scripts/contracts compile

check-generated: ## fail if generate would change a file
	scripts/check-generated

clean: ## remove what was built
	rm -rf bin build
