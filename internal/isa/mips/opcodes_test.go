package mips_test

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/mips"
)

// The opcode maps of MIPS Architecture for Programmers, volume II-A (MD00087, release 2), appendix A, typed from
// there and not from our rows: eight columns, the low three bits of the code. A minus sign stands before what is
// not of our rows: coprocessors, other instruction sets, what only an operating system may execute. A star is
// reserved.
var (
	opcodes = grid(`
		SPECIAL REGIMM  j      jal      beq       bne      blez    bgtz
		addi    addiu   slti   sltiu    andi      ori      xori    lui
		-cop0   -cop1   -cop2  -cop1x   beql      bnel     blezl   bgtzl
		daddi   daddiu  ldl    ldr      SPECIAL2  -jalx    -mdmx   SPECIAL3
		lb      lh      lwl    lw       lbu       lhu      lwr     lwu
		sb      sh      swl    sw       sdl       sdr      swr     -cache
		ll      -lwc1   -lwc2  pref     lld       -ldc1    -ldc2   ld
		sc      -swc1   -swc2  *        scd       -sdc1    -sdc2   sd`)
	special = grid(`
		sll     -movci  srl    sra      sllv      *        srlv    srav
		jr      jalr    movz   movn     syscall   break    *       sync
		mfhi    mthi    mflo   mtlo     dsllv     *        dsrlv   dsrav
		mult    multu   div    divu     dmult     dmultu   ddiv    ddivu
		add     addu    sub    subu     and       or       xor     nor
		*       *       slt    sltu     dadd      daddu    dsub    dsubu
		tge     tgeu    tlt    tltu     teq       *        tne     *
		dsll    *       dsrl   dsra     dsll32    *        dsrl32  dsra32`)
	regimm = grid(`
		bltz    bgez    bltzl   bgezl   *         *        *       *
		tgei    tgeiu   tlti    tltiu   teqi      *        tnei    *
		bltzal  bgezal  bltzall bgezall *         *        *       *
		*       *       *       *       -bposge32 -bposge64 *      synci`)
	special2 = grid(`
		madd    maddu   mul    *        msub      msubu    *       *
		*       *       *      *        *         *        *       *
		*       *       *      *        *         *        *       *
		*       *       *      *        *         *        *       *
		clz     clo     *      *        dclz      dclo     *       *
		*       *       *      *        *         *        *       *
		*       *       *      *        *         *        *       *
		*       *       *      *        *         *        *       -sdbbp`)
	special3 = grid(`
		ext     dextm   dextu  dext     ins       dinsm    dinsu   dins
		-fork   -yield  *      *        *         *        *       *
		*       *       *      *        *         *        *       *
		*       *       *      *        *         *        *       *
		BSHFL   *       *      *        DBSHFL    *        *       *
		*       *       *      *        *         *        *       *
		*       *       *      *        *         *        *       *
		*       *       *      -rdhwr   *         *        *       *`)
	// By the field sa.
	bshfl  = map[uint32]string{0x02: "wsbh", 0x10: "seb", 0x18: "seh"}
	dbshfl = map[uint32]string{0x02: "dsbh", 0x05: "dshd"}
)

func grid(text string) []string { return strings.Fields(text) }

// The fields of an instruction that the maps or the instructions' own pages speak of.
type field struct{ from, width uint }

func (f field) of(w uint32) uint32 { return w >> f.from & (1<<f.width - 1) }

var named = map[string]field{
	"op": {26, 6}, "rs": {21, 5}, "rt": {16, 5}, "rd": {11, 5}, "sa": {6, 5}, "function": {0, 6},
}

// zeros are the fields that an instruction's page draws as 0.
var zeros = func() map[string][]string {
	m := map[string][]string{}
	for fields, names := range map[string]string{
		"sa": `add addu sub subu and or xor nor slt sltu dadd daddu dsub dsubu sllv srav dsllv dsrav movz movn
			mul clz clo dclz dclo`,
		"rs":       "sll sra dsll dsra dsll32 dsra32 lui wsbh seb seh dsbh dshd",
		"rt rd":    "jr jr.hb",
		"rt":       "jalr jalr.hb blez bgtz blezl bgtzl",
		"rs rt rd": "sync",
		"rs rt sa": "mfhi mflo",
		"rt rd sa": "mthi mtlo",
		"rd sa":    "mult multu div divu dmult dmultu ddiv ddivu madd maddu msub msubu",
	} {
		for _, name := range strings.Fields(names) {
			m[name] = strings.Fields(fields)
		}
	}
	return m
}()

// variants are told apart by a field that release 1 had as 0; its other values are reserved.
var variants = map[string]struct {
	field string
	names map[uint32]string
}{
	"srl":    {"rs", map[uint32]string{0: "srl", 1: "rotr"}},
	"dsrl":   {"rs", map[uint32]string{0: "dsrl", 1: "drotr"}},
	"dsrl32": {"rs", map[uint32]string{0: "dsrl32", 1: "drotr32"}},
	"srlv":   {"sa", map[uint32]string{0: "srlv", 1: "rotrv"}},
	"dsrlv":  {"sa", map[uint32]string{0: "dsrlv", 1: "drotrv"}},
	"jr":     {"sa", map[uint32]string{0: "jr", 16: "jr.hb"}},
	"jalr":   {"sa", map[uint32]string{0: "jalr", 16: "jalr.hb"}},
}

// only64 are the instructions that MIPS32 reserves.
var only64 = strings.Fields(`daddi daddiu ldl ldr lwu sdl sdr lld ld scd sd
	dsllv dsrlv drotrv dsrav dmult dmultu ddiv ddivu dadd daddu dsub dsubu
	dsll dsrl drotr dsra dsll32 dsrl32 drotr32 dsra32
	dclz dclo dextm dextu dext dinsm dinsu dins dsbh dshd`)

// mapped gives the mnemonic that the maps have for a word, looking at codes only.
func mapped(w uint32) string {
	name := opcodes[named["op"].of(w)]
	switch name {
	case "SPECIAL":
		name = special[named["function"].of(w)]
	case "REGIMM":
		name = regimm[named["rt"].of(w)]
	case "SPECIAL2":
		name = special2[named["function"].of(w)]
	case "SPECIAL3":
		name = special3[named["function"].of(w)]
	}
	switch name {
	case "BSHFL":
		name = bshfl[named["sa"].of(w)]
	case "DBSHFL":
		name = dbshfl[named["sa"].of(w)]
	}
	if v, ok := variants[name]; ok {
		name = v.names[named[v.field].of(w)]
	}
	return name
}

// manual gives the mnemonic of an instruction of ours, "" for every other word.
func manual(w uint32, registers int) string {
	name := mapped(w)
	if name == "*" || strings.HasPrefix(name, "-") || registers == 32 && slices.Contains(only64, name) {
		return ""
	}
	for _, f := range zeros[name] {
		if named[f].of(w) != 0 {
			return ""
		}
	}
	return name
}

func each(t *testing.T, f func(*testing.T, *isa.ISA)) {
	for _, i := range []*isa.ISA{mips.New(64, true), mips.New(64, false), mips.New(32, true), mips.New(32, false)} {
		t.Run(i.Name, func(t *testing.T) { f(t, i) })
	}
}

func check(t *testing.T, i *isa.ISA, w uint32) {
	t.Helper()
	got := ""
	if r, ok := i.Decode(w); ok {
		got = i.Rows[r].Name
	}
	if want := manual(w, i.Bits); got != want {
		t.Errorf("%08x is %q, the manual says %q", w, got, want)
	}
}

// TestOpcodeMaps goes through all codes, and through what the maps leave to other fields.
func TestOpcodeMaps(t *testing.T) {
	for _, g := range [][]string{opcodes, special, special2, special3} {
		if len(g) != 64 {
			t.Fatalf("a map has %d codes", len(g))
		}
	}
	each(t, func(t *testing.T, i *isa.ISA) {
		random := rand.New(rand.NewPCG(1, 0))
		seen := map[string]bool{}
		for op := range uint32(64) {
			for low := range uint32(1 << 11) { // sa and function
				for _, rest := range []uint32{0, random.Uint32() & 0x03ff_f800} {
					check(t, i, op<<26|rest|low)
				}
			}
			for high := range uint32(1 << 10) { // rs and rt
				check(t, i, op<<26|high<<16)
				check(t, i, op<<26|high<<16|random.Uint32()&0xffff)
			}
		}
		for range 500_000 {
			check(t, i, random.Uint32())
		}
		for op := range uint32(64) {
			for v := range uint32(1 << 11) {
				seen[manual(op<<26|v, i.Bits)] = true
				seen[manual(op<<26|v<<16, i.Bits)] = true
				seen[manual(op<<26|1<<21|v, i.Bits)] = true
			}
		}
		delete(seen, "")
		for _, row := range i.Rows {
			if !seen[row.Name] {
				t.Errorf("the manual has no %s", row.Name)
			}
			delete(seen, row.Name)
		}
		if len(seen) > 0 {
			t.Errorf("there is no row for %v", seen)
		}
	})
}

// TestZeroFields sets each single bit of every field that a page draws as 0.
func TestZeroFields(t *testing.T) {
	each(t, func(t *testing.T, i *isa.ISA) {
		patterns := i.Patterns()
		for r, row := range i.Rows {
			fields := slices.Clone(zeros[row.Name])
			for _, v := range variants {
				for _, name := range v.names {
					if name == row.Name {
						fields = append(fields, v.field)
					}
				}
			}
			for _, f := range fields {
				place := named[f]
				for b := range place.width {
					w := patterns[r].Match ^ 1<<(place.from+b)
					if got, ok := i.Decode(w); ok && manual(w, i.Bits) != i.Rows[got].Name {
						t.Errorf("%s with bit %d of %s flipped is %s", row.Name, b, f, i.Rows[got].Name)
					}
				}
			}
			if !ours(row.Name, patterns[r].Mask, fields) {
				t.Errorf("%s fixes %d bits, which is not what its page fixes", row.Name, bits.OnesCount32(patterns[r].Mask))
			}
		}
	})
}

// ours tells whether a row fixes exactly the codes and the zeros of the manual.
func ours(name string, mask uint32, fields []string) bool {
	fixed := append([]string{"op"}, fields...)
	switch {
	case slices.Contains(special, name), slices.Contains(special2, name), slices.Contains(special3, name), variant(name):
		fixed = append(fixed, "function")
	case slices.Contains(regimm, name):
		fixed = append(fixed, "rt")
	case slices.Contains([]string{"wsbh", "seb", "seh", "dsbh", "dshd"}, name):
		fixed = append(fixed, "sa", "function")
	}
	var want uint32
	for _, f := range fixed {
		want |= (1<<named[f].width - 1) << named[f].from
	}
	return mask == want
}

func variant(name string) bool {
	for _, v := range variants {
		for _, n := range v.names {
			if n == name {
				return true
			}
		}
	}
	return false
}
