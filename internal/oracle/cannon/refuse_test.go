package cannon_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestServers has pre-image servers fail in every way, and compares how the run ends: with the same exit code, and
// without output. A server that gives wrong data is where flexEmu stops and Cannon goes on, wrongly.
func TestServers(t *testing.T) {
	theirs, ours := sides(t)
	state := prepare(t, "large")
	for _, mode := range []string{"slow", "dead", "dies", "dies midway", "dies at a hint", "boasts"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			codes := map[string]int{}
			for _, s := range []side{theirs, ours} {
				dir := t.TempDir()
				r := s.run(t, dir, mode, "run", "--input", state, "--meta", "", "--debug-info", "info.json", "--stop-at-preimage-type", "sha256")
				codes[s.name] = r.code
				entries, _ := os.ReadDir(dir)
				if r.code != 0 && len(entries) > 0 {
					t.Errorf("%s leaves %v", s.name, entries)
				}
				if s.name == ours.name && r.code != 0 && (!strings.Contains(r.stderr, "error: ") || strings.Contains(r.stderr, "goroutine ")) {
					t.Errorf("no clear error: %s", tail(r.stderr))
				}
			}
			// Whether a server has ended before the run begins, which is 1, is a race.
			if code := codes[ours.name]; mode == "dead" && (code == 1 || code == 2) {
				return
			}
			if codes[theirs.name] != codes[ours.name] {
				t.Errorf("exit code %d, Cannon %d", codes[ours.name], codes[theirs.name])
			}
		})
	}
	t.Run("lies", func(t *testing.T) {
		dir := t.TempDir()
		r := ours.run(t, dir, "lies", "run", "--input", state, "--meta", "")
		if r.code != 1 || !strings.Contains(r.stderr, "keccak-256") {
			t.Errorf("exit code %d: %s", r.code, tail(r.stderr))
		}
	})
	t.Run("none", func(t *testing.T) {
		for _, s := range []side{theirs, ours} {
			if r := s.run(t, t.TempDir(), "", "run", "--input", state, "--meta", ""); r.code != 2 {
				t.Errorf("%s: exit code %d", s.name, r.code)
			}
			if r := s.run(t, t.TempDir(), "", "run", "--input", state, "--meta", "", "--", "/no/such/server"); r.code != 1 {
				t.Errorf("%s without the server's program: exit code %d", s.name, r.code)
			}
		}
	})
}

// TestCommandLines compares exit codes, and what is left in the folder, for many command lines.
func TestCommandLines(t *testing.T) {
	theirs, ours := sides(t)
	state := prepare(t, "hello")
	dir := filepath.Dir(state)
	data := read(t, state)
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("plain.bin", data)
	write("trailing.bin", append(append([]byte(nil), data...), 1, 2, 3))
	write("empty.bin", nil)
	write("short.bin", data[:len(data)-1])
	write("half.bin", data[:len(data)/2])
	write("notgz.bin.gz", data)
	other := append([]byte(nil), data...)
	other[0] = 9
	write("nine.bin", other)
	write("state.json", []byte("{}"))
	pages := append([]byte(nil), data...)
	pages[2] = 1
	write("pages.bin", pages)
	write("bad.json", []byte("{"))
	for _, line := range shortened([]string{
		"run", "run --input", "run --input plain.bin --meta  --output out.bin", "run -input plain.bin -meta= -output=out.bin.gz",
		"run --input plain.bin --meta= --output out.json", "run --input plain.bin --meta= --output -", "run --input plain.bin --meta= --output=",
		"run --input plain.bin", "run --input plain.bin --meta bad.json", "run --input plain.bin --meta nosuch.json",
		"run --input nosuch.bin --meta=", "run --input empty.bin --meta=", "run --input short.bin --meta=", "run --input half.bin --meta=",
		"run --input notgz.bin.gz --meta=", "run --input nine.bin --meta=", "run --input state.json --meta=", "run --input pages.bin --meta=",
		"run --input trailing.bin --meta= --output out.bin",
		"run --input plain.bin --meta= --proof-at", "run --input plain.bin --meta= --proof-at x", "run --input plain.bin --meta= --proof-at =x",
		"run --input plain.bin --meta= --output= --proof-at =0x10 --stop-at =0b10001", "run --input plain.bin --meta= --output= --proof-at =17 --proof-fmt - --stop-at =20",
		"run --input plain.bin --meta= --output= --proof-at =5 --proof-fmt %s.json --stop-at =20", "run --input plain.bin --meta= --output= --proof-at %10 --proof-fmt %03d.json --stop-at =35",
		"run --input plain.bin --meta= --output= --proof-at always --stop-at %7", "run --input plain.bin --meta= --output= --proof-at =5 --proof-fmt nodir/%d.json",
		"run --input plain.bin --meta= --output= --snapshot-at =1_000 --stop-at =2000", "run --input plain.bin --meta= --output= --snapshot-at =10 --snapshot-fmt x.json",
		"run --input plain.bin --meta= --output= --snapshot-at =10 --snapshot-fmt= --stop-at =5", "run --input plain.bin --meta= --output= --snapshot-at =10 --snapshot-fmt nodir/%d.bin --stop-at =20",
		"run --input plain.bin --meta= --output= --stop-at %0", "run --input plain.bin --meta= --output= --info-at %0", "run --input plain.bin --meta= --output= --stop-at never --proof-at %0 --snapshot-at never",
		"run --input plain.bin --meta= --output= --stop-at always", "run --input plain.bin --meta= --output= --stop-at =99999999999999999999999",
		"run --input plain.bin --meta= --output= --info-at never --stop-at-preimage-type x", "run --input plain.bin --meta= --output= --stop-at-preimage 02@x",
		"run --input plain.bin --meta= --output= --stop-at-preimage 02@1@2@3", "run --input plain.bin --meta= --output= --stop-at-preimage-larger-than x",
		"run --input plain.bin --meta= --output= --debug", "run --input plain.bin --meta meta.json --output= --debug=true --stop-at =100000",
		"run --input plain.bin --meta= --output= --debug-info info.json.gz", "run --input plain.bin --meta= --output= --unknown",
		"run --input plain.bin --meta= --output= --stop-at =10 --input nosuch.bin",
		"run --input plain.bin --meta= --output= extra -- --stop-at", "run --input plain.bin --meta= --output= -- true", "run --input plain.bin --meta= --output= true x -- false",
		"run --input plain.bin --meta= --output= --pprof.cpu --stop-at =10",
		"witness", "witness --input plain.bin", "witness --input plain.bin --output w.bin", "witness --input trailing.bin", "witness --input short.bin",
		"witness --input empty.bin", "witness --input notgz.bin.gz", "witness --input nine.bin", "witness --input nosuch.bin", "witness --input plain.bin --output nodir/w.bin",
		"load-elf", "load-elf --type multithreaded64-5", "load-elf --type x --path hello.elf", "load-elf --type multithreaded64-5 --path plain.bin",
		"load-elf --type multithreaded64-5 --path nosuch.elf", "load-elf --type multithreaded64-3 --path ../hello.elf", "load-elf --type singlethreaded --path ../hello.elf",
		"load-elf --type multithreaded64-5 --path ../hello.elf --out= --meta -", "load-elf --type multithreaded64-5 --path ../hello.elf --out s.bin --meta=",
		"load-elf --type multithreaded64-5 --path ../hello.elf --meta m.json.gz --out=",
		"nosuch", "help", "--help", "run --help", "-h",
	}) {
		t.Run(line, func(t *testing.T) {
			args, folders, results := strings.Split(line, " "), map[string]string{}, map[string]result{}
			for _, s := range []side{theirs, ours} {
				folders[s.name] = t.TempDir()
				here := make([]string, len(args))
				for n, a := range args {
					here[n] = a
					if n > 0 && (args[n-1] == "--input" || args[n-1] == "-input" || args[n-1] == "--path" || args[n-1] == "--meta" && a == "meta.json" || a == "bad.json") {
						here[n] = filepath.Join(dir, a)
					}
				}
				results[s.name] = s.run(t, folders[s.name], "", here...)
			}
			a, b := results[ours.name], results[theirs.name]
			if a.code != b.code {
				t.Errorf("exit code %d, Cannon %d:\n%s\n%s", a.code, b.code, tail(a.stderr), tail(b.stderr))
			}
			if a.code == 0 && !strings.Contains(line, "help") && line != "-h" && a.stdout != b.stdout {
				t.Errorf("stdout %q, Cannon %q", tail(a.stdout), tail(b.stdout))
			}
			os.Remove(filepath.Join(folders[ours.name], "cpu.pprof"))
			os.Remove(filepath.Join(folders[theirs.name], "cpu.pprof"))
			if b.code == 0 {
				compareFolders(t, folders[theirs.name], folders[ours.name])
			} else if entries, _ := os.ReadDir(folders[ours.name]); len(entries) > 0 {
				t.Errorf("%v is left", entries)
			}
		})
	}
}

// TestRandomCode executes random words, mostly such that Cannon has, with reserved bits set, from random registers. Both
// sides get as far, with the same proofs, and end alike.
func TestRandomCode(t *testing.T) {
	theirs, ours := sides(t)
	state := prepare(t, "hello")
	data := read(t, state)
	seeds := 12
	if testing.Short() {
		seeds = 3
	}
	if text := os.Getenv("FLEXEMU_SEEDS"); text != "" {
		seeds, _ = strconv.Atoi(text)
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.bin")
			if err := os.WriteFile(file, randomState(data, seed), 0o644); err != nil {
				t.Fatal(err)
			}
			folders, codes := map[string]string{}, map[string]int{}
			for _, s := range []side{theirs, ours} {
				folders[s.name] = t.TempDir()
				r := s.run(t, folders[s.name], "", "run", "--input", file, "--meta", "", "--output", "end.bin", "--proof-at", "always",
					"--stop-at", "=400", "--debug-info", "info.json")
				codes[s.name] = r.code
			}
			if codes[ours.name] != codes[theirs.name] {
				t.Errorf("exit code %d, Cannon %d", codes[ours.name], codes[theirs.name])
			}
			n := compareFolders(t, folders[theirs.name], folders[ours.name])
			// The same without proofs, so that the engine and not single steps makes them.
			end := filepath.Join(folders[ours.name], "again.bin")
			r := ours.run(t, "", "", "run", "--input", file, "--meta", "", "--output", end, "--stop-at", "=400")
			if r.code != codes[ours.name] {
				t.Errorf("exit code %d without proofs, %d with them", r.code, codes[ours.name])
			}
			if r.code == 0 && string(read(t, end)) != string(read(t, filepath.Join(folders[ours.name], "end.bin"))) {
				t.Error("the run without proofs ends in another state")
			}
			t.Logf("%d files, exit code %d", n, codes[ours.name])
		})
	}
}

// randomState gives a state with random code in its last page of the program, and random registers.
func randomState(state []byte, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 7))
	s := append([]byte(nil), state...)
	const head, page, thread = 9, 8 + 4096, 298
	end := len(s) - 4 - 8 // before the length of the hint and of the right stack
	t := s[end-thread : end]
	pages := binary.BigEndian.Uint64(s[1:])
	at := head + page*int(pages/2)
	pc := binary.BigEndian.Uint64(s[at:]) << 12
	for n := range 1024 {
		binary.BigEndian.PutUint32(s[at+8+4*n:], randomWord(random))
	}
	binary.BigEndian.PutUint64(t[10:], pc)
	binary.BigEndian.PutUint64(t[18:], pc+4)
	for r := 1; r < 32; r++ {
		v := random.Uint64() >> (random.Uint64() % 64)
		if random.Uint64()%2 == 0 {
			v = pc + random.Uint64()%4096
		}
		binary.BigEndian.PutUint64(t[42+8*r:], v)
	}
	return s
}

// randomWord is an instruction of Cannon's without jumps far away, for the most part, whose other bits are random.
func randomWord(random *rand.Rand) uint32 {
	ops := []uint32{8, 9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 0x18, 0x19, 0x1a, 0x1b, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x30, 0x34, 0x37, 0x38, 0x3c, 0x3f}
	functions := []uint32{0, 2, 3, 4, 6, 7, 0xa, 0xb, 0xf, 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x19, 0x1c, 0x1d, 0x1a, 0x1b, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x38, 0x3a, 0x3b, 0x3c, 0x3e, 0x3f}
	w := random.Uint32()
	switch random.Uint32() % 16 {
	case 0:
		return 1<<26 | w&0x03ff_0000 | 3 // REGIMM, a few instructions on
	case 1:
		return (4+random.Uint32()%4)<<26 | w&0x03ff_0000 | 2 // branches
	case 2:
		f := []uint32{2, 0x20, 0x21, 0x24, 0x25}
		return 0x1c<<26 | w&0x03ff_ffc0 | f[random.Uint32()%5]
	case 3, 4, 5, 6, 7, 8:
		return w&0x03ff_ffc0 | functions[random.Uint32()%uint32(len(functions))]
	case 9:
		if random.Uint32()%64 == 0 {
			return w
		}
	}
	return ops[random.Uint32()%uint32(len(ops))]<<26 | w&0x03ff_ffff
}
