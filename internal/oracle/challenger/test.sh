#!/usr/bin/env bash
# Runs the tests here, with the arguments of go test. Optimism's module cannot be built as it is (see registry), so this
# tests with a copy of it that can.
set -euo pipefail
cd "$(dirname "$0")"
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
module=github.com/ethereum-optimism/optimism
go mod download $module
cp -r "$(go list -m -f '{{.Dir}}' $module)" "$dir/optimism"
chmod -R u+w "$dir/optimism"
go run ./registry "$dir/optimism/op-core/superchain/superchain-configs.zip"
cp go.mod go.sum "$dir"
go mod edit -replace "$module=$dir/optimism" -replace "github.com/flexemu/flexemu/internal/oracle/cannon=$PWD/../cannon" "$dir/go.mod"
go test -modfile "$dir/go.mod" "$@" .
