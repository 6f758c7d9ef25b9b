package isa_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/isa"
	"github.com/flexemu/flexemu/internal/isa/isatest"
)

// A binutils knows how Debian's tools are called for an instruction set, and where they speak otherwise than
// we do.
type binutils struct {
	prefix    string   // of the tools
	options   string   // what objdump's -M has to say
	asflags   []string // for the assembler
	directive string   // of the assembler, for an instruction given as a number
	programs  []program
	// known are the mnemonics that we have no row for: floating point, and what only an operating system may
	// execute or has to emulate.
	known []string
	// names are the mnemonics that are ours under another name.
	names map[string]string
	// strict says that objdump accepts what the manual has for our extensions, and little else. (For MIPS it knows all
	// that any processor ever had; there package mips has the manual's tables.)
	strict bool
	// repair changes fields so that they make sense to objdump.
	repair func(name string, f isatest.Fields)
	// nonsense are instructions that decode and trap; their text is nobody's business.
	nonsense *regexp.Regexp
	// reserved are forms that objdump prints and the manual reserves.
	reserved *regexp.Regexp
	// aliases are forms that objdump uses although it shall not.
	aliases []alias
}

// An alias is a mnemonic and its operands in terms of ours, as in regexp.Expand.
type alias struct {
	from *regexp.Regexp
	to   string
}

// A program is one file of testdata and what compiles it.
type program struct {
	source    string
	command   []string
	libraries []string // stand behind the file's name
	env       []string
}

func toolsFor(t *testing.T, i *isa.ISA) binutils {
	t.Helper()
	b, ok := tools[i.Name]
	if !ok {
		t.Fatal("nobody has written down yet how its tools are called")
	}
	for _, tool := range []string{b.prefix + "objdump", b.prefix + "as"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (Debian's packages binutils-…)", tool)
		}
	}
	return b
}

// tools has the great programs once for each width: byte order does not change the text.
var tools = map[string]binutils{
	"mips64":   mipsTools("mips64-linux-gnuabi64-", "mips64r2", "64", "GOARCH=mips64 GOMIPS64=softfloat"),
	"mips64le": mipsTools("mips64el-linux-gnuabi64-", "mips64r2", "64", ""),
	"mips32":   mipsTools("mips-linux-gnu-", "mips32r2", "32", "GOARCH=mips GOMIPS=softfloat"),
	"mips32le": mipsTools("mipsel-linux-gnu-", "mips32r2", "32", ""),
	"riscv64":  riscvTools("riscv64-linux-gnu-", "rv64", "lp64", true),
	// Only the compiler without an operating system has libraries for 32 bits.
	"riscv32": riscvTools("riscv64-unknown-elf-", "rv32", "ilp32", false),
}

func goProgram(env ...string) program {
	return program{"hello.go", []string{"go", "build"}, nil, append(env, "GOOS=linux", "CGO_ENABLED=0", "GOFLAGS=")}
}

// freestanding compiles for a machine without floats, library with the C library of the system.
func freestanding(prefix string, flags ...string) program {
	command := []string{prefix + "gcc", "-O2", "-nostdlib", "-ffreestanding", "-static", "-Wl,-e,__start"}
	return program{"freestanding.c", append(command, flags...), []string{"-lgcc"}, nil}
}

func library(prefix string, flags ...string) program {
	return program{"library.c", append([]string{prefix + "gcc", "-O2", "-static"}, flags...), []string{"-lm"}, nil}
}

func mipsTools(prefix, march, names, goenv string) binutils {
	b := binutils{
		prefix: prefix, options: "no-aliases,reg-names=" + names, asflags: []string{"-march=" + march}, directive: ".word",
		programs: []program{freestanding(prefix, "-march="+march, "-mno-abicalls", "-fno-pic", "-mno-shared")},
		known: strings.Fields(`
			rdhwr
			cfc1 ctc1 mfc1 mtc1 mfhc1 mthc1 dmfc1 dmtc1 lwc1 swc1 ldc1 sdc1 bc1f bc1t bc1fl bc1tl
			add.d sub.d mul.d div.d sqrt.d mov.d neg.d abs.d c.un.d c.ule.d c.lt.d c.le.d c.eq.d`),
		// The manual says rotr; it has three names each for dext and dins, by the position and the size.
		names: map[string]string{
			"rotr": "ror", "rotrv": "rorv", "drotr": "dror", "drotrv": "drorv", "drotr32": "dror32",
			"dextm": "dext", "dextu": "dext", "dinsm": "dins", "dinsu": "dins",
		},
		repair: func(name string, f isatest.Fields) {
			switch name {
			case "clz", "clo", "dclz", "dclo": // hold the same register twice
				f["rt"] = f["rd"]
			}
		},
		// An insertion that ends before it begins.
		nonsense: regexp.MustCompile(`^d?ins .*,0xf{6}`),
		aliases: []alias{
			{regexp.MustCompile(`^(d?)negu (\w+),(\w+)$`), "${1}subu $2,zero,$3"},
			{regexp.MustCompile(`^(d?)neg (\w+),(\w+)$`), "${1}sub $2,zero,$3"},
			{regexp.MustCompile(`^d?li (\w+),(0x\w+)$`), "ori $1,zero,$2"},
			{regexp.MustCompile(`^(d?)li (\w+),(\S+)$`), "${1}addiu $2,zero,$3"},
		},
	}
	if goenv != "" {
		b.programs = append(b.programs, library(prefix, "-march="+march), goProgram(strings.Fields(goenv)...))
	}
	return b
}

func riscvTools(prefix, march, abi string, linux bool) binutils {
	flags := []string{"-march=" + march + "imac_zicsr_zifencei_zba_zbb_zbs", "-mabi=" + abi}
	b := binutils{
		prefix: prefix, options: "no-aliases", asflags: flags, directive: ".insn", strict: true,
		programs: []program{freestanding(prefix, flags...)},
		known: strings.Fields(`
			uret sret mret dret wfi sfence.vma
			c.unimp csrrw csrrs csrrc csrrwi csrrsi csrrci
			c.fld c.fsd c.fldsp c.fsdsp c.flw c.fsw c.flwsp c.fswsp fld fsd flw fsw
			fadd.d fsub.d fmul.d fdiv.d fsqrt.d fsgnj.d fsgnjn.d fsgnjx.d fmin.d fmax.d feq.d flt.d fle.d fclass.d
			fadd.s fsub.s fmul.s fdiv.s fsqrt.s fsgnj.s fsgnjn.s fsgnjx.s fmin.s fmax.s feq.s flt.s fle.s fclass.s
			fmadd.d fmsub.d fnmadd.d fnmsub.d fmadd.s fmsub.s fnmadd.s fnmsub.s fmv.x.d fmv.d.x fmv.x.w fmv.w.x
			fcvt.d.l fcvt.d.lu fcvt.d.w fcvt.d.wu fcvt.l.d fcvt.lu.d fcvt.w.d fcvt.wu.d fcvt.d.s fcvt.s.d
			fcvt.s.l fcvt.s.lu fcvt.s.w fcvt.s.wu fcvt.l.s fcvt.lu.s fcvt.w.s fcvt.wu.s`),
		names: map[string]string{"csrrs.h": "csrrs", "csrrc.h": "csrrc", "csrrsi.h": "csrrsi", "csrrci.h": "csrrci"},
		repair: func(name string, f isatest.Fields) {
			switch name {
			case "fence": // the fields that are to be ignored make it unknown to objdump
				f["code"], f["rs1"], f["rd"] = f["code"]&0xff, 0, 0
			case "fence.i":
				f["imm"], f["rs1"], f["rd"] = 0, 0, 0
			}
		},
		reserved: regexp.MustCompile(`^c\.addi16sp sp,0$`),
		aliases: []alias{
			{regexp.MustCompile(`^fence\.tso$`), "fence rw,rw"},
			{regexp.MustCompile(`^fence unknown,`), "fence 0,"},
			{regexp.MustCompile(`^fence (\w+),unknown$`), "fence $1,0"},
			{regexp.MustCompile(`^(c\.s[lr][la]i)64 (\w+)$`), "$1 $2,0x0"}, // a shift by 0
			{regexp.MustCompile(`^c\.addi zero,0$`), "c.nop"},
			{regexp.MustCompile(`^c\.addi zero,`), "c.nop "},
		},
	}
	if march == "rv32" {
		// The compiler's library is only there for some sets of extensions.
		b.programs = []program{freestanding(prefix, "-march=rv32imac", "-mabi=ilp32")}
		// A shift by 32 and more.
		b.reserved = regexp.MustCompile(`^c\.addi16sp sp,0$|^(c\.)?(s[lr][la]i|rori|b\w+i) [\w,]+,0x[23][0-9a-f]$`)
	}
	if linux {
		b.programs = append(b.programs, library(prefix), goProgram("GOARCH=riscv64"))
	}
	return b
}
