// Package engine makes the engine for a machine.
package engine

import (
	"errors"

	"github.com/flexemu/flexemu/internal/engine/interp"
	"github.com/flexemu/flexemu/internal/engine/jit"
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/machine"
)

// Names of engines.
const (
	Auto   = "auto" // the fastest there is
	Interp = "interp"
	Jit    = "jit" // compiles; not there on every host
)

// New makes the engine of that name, and tells which one it is if the name leaves that open.
func New(i *isa.ISA, m *machine.Machine, name string) (bare.Engine, string, error) {
	if name != Interp {
		e, err := jit.New(i, m)
		switch {
		case err == nil:
			return e, Jit, nil
		case name == Jit || !errors.Is(err, jit.ErrUnsupported):
			return nil, "", err
		}
	}
	e, err := interp.New(i, m)
	return e, Interp, err
}
