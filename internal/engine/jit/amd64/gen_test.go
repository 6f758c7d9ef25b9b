package amd64_test

import (
	"runtime"
	"testing"

	"github.com/flexemu/flexemu/internal/engine/jit/amd64"
	"github.com/flexemu/flexemu/internal/engine/jit/lir/lirtest"
)

func TestCompile(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the code is for another host")
	}
	lirtest.Run(t, amd64.Compile)
}
