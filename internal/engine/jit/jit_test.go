package jit_test

import (
	"testing"

	"github.com/flexemu/flexemu/internal/engine/enginetest"
	"github.com/flexemu/flexemu/internal/engine/jit"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/machine"
)

func usual(i *isa.ISA, m *machine.Machine) (enginetest.Engine, error) { return jit.New(i, m) }

func eager(i *isa.ISA, m *machine.Machine) (enginetest.Engine, error) { return jit.NewEager(i, m) }

func TestEngine(t *testing.T) { enginetest.All(t, usual) }

// TestEager compiles as much as possible.
func TestEager(t *testing.T) {
	enginetest.Programs(t, eager)
	enginetest.Rows(t, eager)
	enginetest.Directed(t, eager)
}

func FuzzPrograms(f *testing.F) { enginetest.FuzzPrograms(f, eager) }
