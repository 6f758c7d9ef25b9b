package mips

import (
	"slices"
	"strings"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/isa"
)

// cannonNames are the rows of mips64 that Cannon has, state versions 7 and 8. Nothing else is an instruction there.
var cannonNames = strings.Fields(`
	j jal beq bne blez bgtz addi addiu slti sltiu andi ori xori lui daddi daddiu
	lb lh lwl lw lbu lhu lwr lwu ld ldl ldr sb sh swl sw swr sd sdl sdr ll sc lld scd
	sll srl sra sllv srlv srav jr jalr movz movn syscall sync mfhi mthi mflo mtlo dsllv dsrlv dsrav
	mult multu div divu dmult dmultu ddiv ddivu
	add addu sub subu and or xor nor slt sltu dadd daddu dsub dsubu
	dsll dsrl dsra dsll32 dsrl32 dsra32
	bltz bgez bltzal bgezal mul clz clo dclz dclo`)

// cannonClears are those that write 0 to the register in their reserved field rd.
var cannonClears = strings.Fields("mthi mtlo mult multu div divu dmult dmultu ddiv ddivu")

// Cannon makes big-endian MIPS64 as Optimism's Cannon decodes it: opcode, function and rt of REGIMM are looked at,
// and no other fixed bits. Where these bits have an effect there, a row of its own says so.
//
// Rows with the names in watched are left to single steps by every engine, so that somebody can count them there:
// their meanings leave with a trap, always, though no compiler knows that. Single steps are carried out by emitted code,
// which is the base's.
func Cannon(watched ...string) *isa.ISA {
	base := New(64, true)
	i := New(64, true)
	i.Title, i.Base, i.Watched, i.Rows = "MIPS64 as Cannon decodes it", base, watched, nil
	for _, r := range base.Rows {
		if !slices.Contains(cannonNames, r.Name) {
			continue
		}
		if slices.Contains(watched, r.Name) {
			r.Mean = watch(r.Mean)
		}
		clears := slices.Contains(cannonClears, r.Name)
		if clears || r.Name == "sync" {
			quirk := isa.Row{Name: r.Name + ".rd", Bits: "000000 rs _ rd!=0 _ 001111", Asm: "rd, rs", Set: r.Set, Mean: moves}
			if clears {
				quirk.Bits, quirk.Asm, quirk.Mean = loosened(r.Bits, "rd!=0"), r.Asm, clearing(r.Mean)
			}
			i.Rows = append(i.Rows, quirk)
			r.Bits = loosened(r.Bits, "00000")
		} else {
			r.Bits = loosened(r.Bits, "_")
		}
		i.Rows = append(i.Rows, r)
	}
	c := core{bits: 64, big: true}
	i.Rows = append(i.Rows, isa.Row{
		Name: "never", Bits: "000001 _ rt!=0,1,16,17 _:16", Asm: "", Set: set64, // REGIMM with any other rt
		Mean: func(b builder, _ fields) { c.notInSlot(b) },
	})
	return i
}

// loosened gives a bit picture in which reserved fields may be anything, but for the place of rd, which is as given.
func loosened(picture, rd string) string {
	const (
		regimm  = "000001"
		rdToken = 3
	)
	tokens := strings.Fields(picture)
	for n, t := range tokens {
		switch {
		case t != "00000" || tokens[0] == regimm && n == 2:
		case n == rdToken:
			tokens[n] = rd
		default:
			tokens[n] = "_"
		}
	}
	return strings.Join(tokens, " ")
}

func clearing(mean func(builder, fields)) func(builder, fields) {
	return func(b builder, f fields) {
		mean(b, f)
		b.SetReg(f.Rd, b.Const(0))
	}
}

// moves is what sync does with the registers in its reserved fields.
func moves(b builder, f fields) { b.SetReg(f.Rd, b.Reg(f.Rs)) }

func watch(mean func(builder, fields)) func(builder, fields) {
	return func(b builder, f fields) {
		b.If(b.Get(ir.NextThread), func() { b.Trap(ir.Breakpoint) }) // thread 0 has had its number
		mean(b, f)
	}
}
