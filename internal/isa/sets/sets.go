// Package sets is the list of instruction sets. Adding one is its folder and its line here, its header in package
// loader and its calling convention in package bare; make generate does the rest.
package sets

import (
	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/mips"
	"github.com/flexemu/flexemu/internal/isa/riscv"
)

var all = []*isa.ISA{
	mips.New(64, true),
	mips.New(64, false),
	mips.New(32, true),
	mips.New(32, false),
	riscv.New(64),
	riscv.New(32),
}

// All gives every instruction set.
func All() []*isa.ISA { return all }

// Named gives the instruction set of that name, or nil.
func Named(name string) *isa.ISA {
	for _, i := range all {
		if i.Name == name {
			return i
		}
	}
	return nil
}
