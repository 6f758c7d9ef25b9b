package loader

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build writes source into a file of that name, runs the command there and returns the file "out" that it made. A
// toolchain that is not installed skips the test.
func build(t *testing.T, name, source string, env []string, command ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(command[0], append(command[1:], "-o", "out", name)...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", c, err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// checkHard checks that a hard-float program is refused unless it is allowed.
func checkHard(t *testing.T, b []byte, o Options) {
	t.Helper()
	if _, err := Parse(b, o); !errors.Is(err, ErrHardFloat) {
		t.Errorf("a hard-float program: %v", err)
	}
	o.AllowHardFloat = true
	checkLoad(t, b, o)
}

func TestGo(t *testing.T) {
	const source = "package main\n\nvar table [1 << 20]byte\n\nfunc main() { println(len(table)) }\n"
	bare32 := Options{Layout: Layout{HeapStart: 0x0500_0000, StackTop: top32}}
	for _, c := range []struct {
		env, isa string
		options  Options
		hard     bool
	}{
		{"GOARCH=mips64 GOMIPS64=softfloat", "mips64", bare64, false},
		{"GOARCH=mips64 GOMIPS64=hardfloat", "mips64", bare64, true},
		{"GOARCH=mips64le GOMIPS64=softfloat", "mips64le", bare64, false},
		{"GOARCH=mips GOMIPS=softfloat", "mips32", bare32, false},
		{"GOARCH=mips GOMIPS=hardfloat", "mips32", bare32, true},
		{"GOARCH=mipsle GOMIPS=softfloat", "mips32le", bare32, false},
		{"GOARCH=riscv64", "riscv64", bare64, true},
	} {
		t.Run(c.env, func(t *testing.T) {
			env := append(strings.Fields(c.env), "GOOS=linux", "CGO_ENABLED=0", "GOFLAGS=", "GO111MODULE=off")
			b := build(t, "main.go", source, env, "go", "build")
			if name, err := Identify(b); name != c.isa || err != nil {
				t.Errorf("Identify: %q, %v", name, err)
			}
			if c.hard {
				checkHard(t, b, c.options)
			} else {
				checkLoad(t, b, c.options)
			}
			if n := checkSymbols(t, b); n < 500 {
				t.Errorf("%d symbols", n)
			}
		})
	}
}

func TestC(t *testing.T) {
	const source = "char table[1 << 20] = {1}; int zeros[1 << 20];\nvoid __start(void) { for (;;) zeros[table[0]]++; }\nvoid _start(void) { __start(); }\n"
	const soft, hard = "", "hard"
	for _, c := range []struct{ command, want string }{
		{"mips64-linux-gnuabi64-gcc -static -msoft-float", soft},
		{"mips64-linux-gnuabi64-gcc -static", hard},
		{"mips64el-linux-gnuabi64-gcc -static -msoft-float -mno-abicalls -fno-pic", soft},
		{"mips-linux-gnu-gcc -static -msoft-float", soft},
		{"mips-linux-gnu-gcc -static -msoft-float -mnan=2008", soft},
		{"mips-linux-gnu-gcc -static", hard},
		{"mipsel-linux-gnu-gcc -static -msoft-float", soft},
		{"riscv64-linux-gnu-gcc -static -march=rv64imac -mabi=lp64", soft},
		{"riscv64-linux-gnu-gcc -static -march=rv32imac -mabi=ilp32", soft},
		{"riscv64-linux-gnu-gcc -static", hard},
		{"mips-linux-gnu-gcc -static -msoft-float -mips32r6", "release 6"},
		{"mips-linux-gnu-gcc -static -msoft-float -mips16", "MIPS16"},
		{"mips-linux-gnu-gcc -static -msoft-float -mmicromips", "microMIPS"},
		{"mips64-linux-gnuabi64-gcc -static -msoft-float -mabi=n32", "n32"},
		{"riscv64-linux-gnu-gcc -static -march=rv32e -mabi=ilp32e", "RVE"},
		{"riscv64-linux-gnu-gcc -static-pie", "asks for the dynamic linker"},
		{"riscv64-linux-gnu-gcc -static-pie -Wl,--no-dynamic-linker", "static position-independent"},
		{"mips-linux-gnu-gcc", "asks for the dynamic linker \"/lib/ld.so.1\""},
	} {
		t.Run(c.command, func(t *testing.T) {
			b := build(t, "main.c", source, nil, append(strings.Fields(c.command), "-O1", "-nostdlib", "-ffreestanding")...)
			switch c.want {
			case soft:
				checkLoad(t, b, bare64)
				checkSymbols(t, b)
			case hard:
				checkHard(t, b, bare64)
			default:
				if _, err := Parse(b, bare64); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %s", err, c.want)
				}
			}
		})
	}
}
