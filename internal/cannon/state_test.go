package cannon

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/sha3"

	"github.com/flexemu/flexemu/internal/machine"
)

// written is a state file with random contents: pages, threads of both stacks, a hint.
func written(version Version, layout layout, pages []uint64, stacks [2]int, hint string) []byte {
	random := rand.New(rand.NewPCG(3, uint64(version)))
	fill := func(b []byte, n int) []byte {
		for range n {
			b = append(b, byte(random.Uint32()))
		}
		return b
	}
	word := func(b []byte, v uint64) []byte {
		if layout.word == 4 {
			return binary.BigEndian.AppendUint32(b, uint32(v))
		}
		return binary.BigEndian.AppendUint64(b, v)
	}
	b := word([]byte{byte(version)}, uint64(len(pages)))
	for _, p := range pages {
		b = fill(word(b, p), machine.PageSize)
	}
	begin := len(b)
	size := 32 + 6*4 + 10 + 128
	if layout.threads > 0 {
		size = 32 + 4*layout.word + 3 + 16 + 1
		if layout.wakeup {
			size += layout.word
		}
	}
	b = fill(b, size)
	b[begin+layout.exitCode-32+1] = 1 // exited
	if layout.threads > 0 {
		b[len(b)-1] = 0 // left
		b = word(b, 77)
		for _, n := range stacks {
			b = word(b, uint64(n))
			for range n {
				at := len(b)
				b = fill(b, layout.threads)
				b[at+layout.word+1] = byte(n % 2)
				registers := at + layout.threads - 32*layout.word
				clear(b[registers : registers+layout.word])
			}
		}
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(hint)))
	return append(b, hint...)
}

var newLayout = layout{word: 8, threads: 298, exitCode: 97}

func TestStateRoundTrip(t *testing.T) {
	for _, v := range Runnable() {
		data := written(v, newLayout, []uint64{0, 1, 255, 256, 0x7ffff, 1<<52 - 1}, [2]int{3, 2}, "rest of a hint")
		s, err := ReadState(bytes.NewReader(append(slices.Clone(data), 1, 2, 3)))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"s.bin", "s.bin.gz"} {
			file := filepath.Join(t.TempDir(), name)
			if err := new(writer).write(context.Background(), file, State{v, s.Machine.Fork()}); err != nil {
				t.Fatal(err)
			}
			if got := decompressed(t, file); !bytes.Equal(got, data) {
				t.Errorf("version %d: %s has other bytes than what was read", v, name)
			}
		}
	}
}

func decompressed(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err == nil && isGzip(name) {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(data)); err == nil {
			data, err = io.ReadAll(z)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestSnapshotsShare: what has not changed is not compressed again, and files are whole all the same.
func TestSnapshotsShare(t *testing.T) {
	data := written(8, newLayout, []uint64{1, 2, 300, 1000, 5000}, [2]int{1, 0}, "")
	s, err := ReadState(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var w writer
	dir := t.TempDir()
	for n := range 4 {
		first, second := filepath.Join(dir, "a.bin.gz"), filepath.Join(dir, "b.bin")
		if err := w.write(context.Background(), first, State{8, s.Machine.Fork()}); err != nil {
			t.Fatal(err)
		}
		before := w.groups
		if err := new(writer).write(context.Background(), second, State{8, s.Machine.Fork()}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(decompressed(t, first), decompressed(t, second)) {
			t.Fatalf("snapshot %d has other bytes than one that shares nothing", n)
		}
		s.Machine.Store(1000<<12+8, 8, true, uint64(n))
		s.Machine.Store(uint64(7000+n)<<12, 8, true, uint64(n))
		if err := w.write(context.Background(), first, State{8, s.Machine.Fork()}); err != nil {
			t.Fatal(err)
		}
		same := 0
		for k, g := range w.groups {
			if o := before[k]; len(o.gz) > 0 && &o.gz[0] == &g.gz[0] {
				same++
			}
		}
		if same < 3 {
			t.Errorf("snapshot %d: %d groups were taken over", n, same)
		}
	}
}

// TestDamage cuts a state everywhere, and flips bits: an error that names the offset, or another state; no panic.
func TestDamage(t *testing.T) {
	for version, l := range map[Version]layout{0: layouts[0], 1: layouts[1], 3: layouts[3], 4: layouts[4], 5: layouts[5], 6: layouts[6], 8: newLayout} {
		data := written(version, l, []uint64{5}, [2]int{2, 1}, "hint")
		whole, err := SummarizeBinary(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		for n := range len(data) {
			if n > 20 && n < 4000 {
				continue
			}
			if _, err := SummarizeBinary(bytes.NewReader(data[:n])); err == nil || !strings.Contains(err.Error(), "offset ") {
				t.Fatalf("version %d: cut to %d bytes: %v", version, n, err)
			}
		}
		random := rand.New(rand.NewPCG(9, 9))
		for n := range 3000 {
			bad := slices.Clone(data)
			at := n % len(data)
			if n > 1500 {
				at = random.IntN(len(data))
			}
			bad[at] ^= 1 << (n % 8)
			s, err := SummarizeBinary(bytes.NewReader(bad))
			hinted := at >= len(data)-8            // the hint is no part of the witness
			exited := data[at] == 1 && bad[at] > 1 // of a thread: any value but 0 says so
			if err == nil && s.Hash == whole.Hash && !hinted && !exited && at != 0 {
				t.Fatalf("version %d: bit %d of byte %d makes no difference", version, n%8, at)
			}
		}
	}
}

func keccak(parts ...[]byte) (h []byte) {
	d := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		d.Write(p)
	}
	return d.Sum(nil)
}

// naiveRoot is the root of the lowest 2^bits bytes, in which the pages stand.
func naiveRoot(pages map[uint64][]byte, bits int) []byte {
	zeros := [][]byte{make([]byte, 32)}
	for level := range bits - 5 {
		zeros = append(zeros, keccak(zeros[level], zeros[level]))
	}
	var node func(level int, index uint64) []byte
	node = func(level int, index uint64) []byte {
		found := false
		for p := range pages {
			found = found || level >= 7 && p>>(level-7) == index || level < 7 && p == index>>(7-level)
		}
		switch {
		case !found:
			return zeros[level]
		case level == 0:
			return pages[index>>7][index%128*32:][:32]
		}
		return keccak(node(level-1, 2*index), node(level-1, 2*index+1))
	}
	return node(bits-5, 0)
}

// TestOldWitness computes witness and hash of old versions without any of our code.
func TestOldWitness(t *testing.T) {
	for version, l := range layouts {
		numbers := []uint64{0, 7, 0xfffff}
		data := written(version, l, numbers, [2]int{2, 1}, "x")
		s, err := SummarizeBinary(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		pages, at := map[uint64][]byte{}, 1+l.word
		for _, n := range numbers {
			pages[n] = data[at+l.word:][:machine.PageSize]
			at += l.word + machine.PageSize
		}
		want := naiveRoot(pages, 8*l.word)
		size := map[Version]int{0: 226, 1: 172, 2: 226, 3: 196, 4: 196, 5: 168, 6: 188}[version]
		if l.threads == 0 {
			want = append(want, data[at:at+size-32]...)
		} else {
			scalars := size - 32 - 64 - l.word
			want = append(want, data[at:at+scalars]...)
			at += scalars
			next := data[at : at+l.word]
			at += l.word
			for _, n := range []int{2, 1} {
				at += l.word
				root := keccak(make([]byte, 64))
				for range n {
					root = keccak(root, keccak(data[at:at+l.threads]))
					at += l.threads
				}
				want = append(want, root...)
			}
			want = append(want, next...)
		}
		if !bytes.Equal(s.Witness, want) || len(want) != size {
			t.Errorf("version %d: witness of %d bytes %x, want %d bytes %x", version, len(s.Witness), s.Witness, size, want)
		}
		hash := keccak(want)
		hash[0] = min(want[l.exitCode], 2)
		if !bytes.Equal(s.Hash[:], hash) {
			t.Errorf("version %d: hash %x, want %x", version, s.Hash, hash)
		}
		if _, err := ReadState(bytes.NewReader(data)); !errors.Is(err, errOld) {
			t.Errorf("version %d runs: %v", version, err)
		}
	}
}

// TestJSONState: a state of version 0 as JSON is that of the binary form.
func TestJSONState(t *testing.T) {
	text := `{"memory":[],"preimageKey":"0x` + strings.Repeat("ab", 32) + `","preimageOffset":3,"pc":16,"nextPC":20,"lo":1,"hi":2,"heap":5,` +
		`"exit":1,"exited":true,"step":9,"registers":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31]}`
	name := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Summarize(name)
	if err != nil {
		t.Fatal(err)
	}
	if s.Hash[0] != 1 || s.Step != 9 || len(s.Witness) != 226 || s.Witness[225] != 31 || s.Witness[98+4*16+3] != 16 {
		t.Errorf("%+v", s)
	}
}

func TestMatchers(t *testing.T) {
	for text, c := range map[string]struct {
		at    []uint64
		not   []uint64
		after map[uint64]uint64
	}{
		"":                    {nil, []uint64{0, 1}, map[uint64]uint64{0: math.MaxUint64}},
		"never":               {nil, []uint64{0, 1}, nil},
		"always":              {[]uint64{0, 1, math.MaxUint64}, nil, map[uint64]uint64{4: 5, math.MaxUint64: math.MaxUint64}},
		"=0x10":               {[]uint64{16}, []uint64{0, 15, 17}, map[uint64]uint64{0: 16, 16: math.MaxUint64}},
		"%1_000":              {[]uint64{0, 1000, 5000}, []uint64{1, 999}, map[uint64]uint64{0: 1000, 999: 1000, 1000: 2000}},
		"%1000":               {nil, nil, map[uint64]uint64{math.MaxUint64 - 5: math.MaxUint64}},
		"=010":                {[]uint64{8}, []uint64{10}, nil},
		"%0xffffffffffffffff": {[]uint64{0, math.MaxUint64}, []uint64{1}, map[uint64]uint64{0: math.MaxUint64}},
	} {
		m, err := ParseMatcher(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, step := range c.at {
			if !m.at(step) {
				t.Errorf("%s lacks %d", text, step)
			}
		}
		for _, step := range c.not {
			if m.at(step) {
				t.Errorf("%s has %d", text, step)
			}
		}
		for step, want := range c.after {
			if got := m.after(step); got != want {
				t.Errorf("%s: after %d comes %d, not %d", text, step, got, want)
			}
		}
	}
	for _, bad := range []string{"7", "=", "%", "=-1", "=1e3", "Always", " never"} {
		if _, err := ParseMatcher(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestJSONFiles: what is written ends with an empty line, whatever it goes to, and nothing is left of what fails.
func TestJSONFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.json", "a.json.gz"} {
		file := filepath.Join(dir, name)
		if err := writeJSON(file, nil, map[string]int{"<": 1}); err != nil {
			t.Fatal(err)
		}
		if got := string(decompressed(t, file)); got != "{\n  \"<\": 1\n}\n\n" {
			t.Errorf("%s: %q", name, got)
		}
		if info, err := os.Stat(file); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if err := writeJSON(filepath.Join(dir, "bad.json"), nil, json.Number("x")); err == nil {
		t.Error("what is no JSON was written")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("%v is left", entries)
	}
}
