package jit

import (
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/machine"
)

// NewEager makes an engine that compiles what it executes for the second time, and waits until that is done.
func NewEager(i *isa.ISA, m *machine.Machine) (*Engine, error) {
	e, err := New(i, m)
	if err == nil {
		e.heat.threshold, e.alone = 2, true
	}
	return e, err
}
