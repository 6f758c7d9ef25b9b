package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/machine"
)

// layout is that of a small thread: pc and two registers.
var layout = []ir.Cell{ir.PC, 1, 2}

const threadSize = 10 + 3*8

// sample is a machine with threads on both stacks, a hint, a zero page and pages far apart.
func sample(t testing.TB) *machine.Machine {
	m := machine.New(layout)
	for i, c := range []ir.Cell{
		ir.PC, 1, 2, ir.ThreadExit, ir.PreimageOffset, ir.Heap, ir.ReservationAddress,
		ir.ReservationOwner, ir.ExitCode, ir.Step, ir.Quantum,
	} {
		m.Set(c, uint64(i)+200)
	}
	m.Set(ir.ReservationStatus, 2)
	m.Set(ir.Heap, 0x1000_0000_0000_0001)
	for i := range m.Key {
		m.Key[i] = byte(i)
	}
	// Two threads parked left, one right, a fourth runs on top of the right one.
	for id := range uint64(4) {
		m.Set(ir.ThreadID, id)
		m.Set(1, 1000+id)
		if id == 2 {
			m.Set(ir.TraverseRight, 1)
		}
		if id < 3 {
			m.PushThread()
		}
	}
	m.Set(ir.NextThread, 4)
	m.Hint = []byte{0, 0, 0, 9, 'l', '1'}
	m.Mem.Write(0xffff_ffff_ffff_fffe, []byte{1, 2, 3, 4}) // the last and the first page
	m.Mem.Write(0x7fff_0000, []byte{0})
	m.Mem.Write(0x12_3456_7000, bytes.Repeat([]byte("page"), 1024))
	return m
}

func write(t testing.TB, m *machine.Machine) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, m, "mips64", "bare"); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(data []byte, layout []ir.Cell) (*machine.Machine, error) {
	s, err := Open(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return s.Machine(layout)
}

// equal fails unless the machines are in the same state, with what stands in no root.
func equal(t *testing.T, got, want *machine.Machine) {
	t.Helper()
	if g, w := got.Encode(), want.Encode(); !bytes.Equal(g, w) {
		t.Errorf("state %x, want %x", g, w)
	}
	if !bytes.Equal(got.Hint, want.Hint) {
		t.Errorf("hint %q, want %q", got.Hint, want.Hint)
	}
	if g, w := pages(got), pages(want); g != w {
		t.Errorf("pages\n%swant\n%s", g, w)
	}
	g, err := got.Stacks()
	if err != nil {
		t.Fatal(err)
	}
	w, err := want.Stacks()
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(g) != fmt.Sprint(w) {
		t.Errorf("threads %x, want %x", g, w)
	}
}

func pages(m *machine.Machine) string {
	var b strings.Builder
	m.Mem.EachPage(func(page uint64, data *[machine.PageSize]byte) error {
		fmt.Fprintf(&b, "%x %x\n", page, *data)
		return nil
	})
	return b.String()
}

func TestRoundTrip(t *testing.T) {
	m := sample(t)
	machines := map[string]*machine.Machine{"sample": m, "new": machine.New(layout), "fork": m.Fork()}
	machines["fork"].Set(ir.PC, 4)
	machines["fork"].Mem.Write(0x12_3456_7000, []byte("changed"))
	halted := m.Fork()
	halted.Set(ir.Exited, 1)
	halted.Set(ir.ExitCode, 7)
	machines["halted"] = halted
	large := machine.New(layout) // several blocks, which end within pages, and a hint longer than one
	src := rand.NewChaCha8([32]byte{})
	large.Hint = make([]byte, 2*blockSize+5)
	src.Read(large.Hint)
	for page := range uint64(700) {
		var data [machine.PageSize]byte
		if page%3 != 0 {
			src.Read(data[:page%machine.PageSize])
		}
		large.Mem.SetPage(page*page, &data)
	}
	machines["large"] = large
	for name, m := range machines {
		t.Run(name, func(t *testing.T) {
			data := write(t, m)
			s, err := Open(iotestReader{bytes.NewReader(data)})
			if err != nil {
				t.Fatal(err)
			}
			exited, code := m.Exited()
			gotExited, gotCode := s.Exited()
			if s.ISA != "mips64" || s.Kernel != "bare" || s.Root() != m.Root() || s.Step() != m.Get(ir.Step) ||
				gotExited != exited || gotCode != code || !bytes.Equal(s.State[:], m.Encode()) {
				t.Errorf("header %+v", s)
			}
			got, err := s.Machine(layout)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, got, m)
			if again := write(t, got); !bytes.Equal(again, data) {
				t.Error("the machine that was read gives another file")
			}
		})
	}
}

// iotestReader gives few bytes at a time.
type iotestReader struct{ r io.Reader }

func (r iotestReader) Read(p []byte) (int, error) { return r.r.Read(p[:min(len(p), 1000)]) }

// What was read goes on as what was saved: threads come back in their order.
func TestThreadsGoOn(t *testing.T) {
	want := sample(t)
	got, err := read(write(t, want), layout)
	if err != nil {
		t.Fatal(err)
	}
	order := func(m *machine.Machine) (ids []uint64) {
		for !m.LastThread() {
			m.PopThread()
			if m.ActiveEmpty() {
				m.Set(ir.TraverseRight, m.Get(ir.TraverseRight)^1)
			}
			m.Resume()
			ids = append(ids, m.Get(ir.ThreadID), m.Get(1))
		}
		return ids
	}
	if g := fmt.Sprint(order(got)); g != "[2 1002 1 1001 0 1000]" {
		t.Errorf("threads %s", g)
	}
	if g, w := order(got), order(want); len(g) != 0 || len(w) != 6 {
		t.Errorf("threads %v and %v", g, w)
	}
	if got.Root() != want.Root() {
		t.Error("the roots differ afterwards")
	}
}

// plainBody is a reader of its own for the body, from the format's description.
func plainBody(t testing.TB, data []byte, header int) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var body []byte
	for at := header; ; {
		n := int(binary.BigEndian.Uint32(data[at:]))
		if n == 0 {
			if len(data) != at+8 {
				t.Fatalf("%d bytes behind the end", len(data)-at-8)
			}
			return body
		}
		if body, err = d.DecodeAll(data[at+4:at+4+n], body); err != nil {
			t.Fatal(err)
		}
		at += n + 8
	}
}

func TestFormat(t *testing.T) {
	m := sample(t)
	data := write(t, m)
	header := "flexSNAP\x00\x01\x06mips64\x04bare" + string(m.Encode())
	if !strings.HasPrefix(string(data), header) {
		t.Fatalf("header %q, want %q", data[:len(header)], header)
	}
	var want []byte
	num := func(n uint64) { want = binary.BigEndian.AppendUint64(want, n) }
	thread := func(id uint64) {
		num(id)
		want = append(want, 203, 0)
		num(200)
		num(1000 + id)
		num(202)
	}
	page := func(number uint64, data string) {
		num(number)
		want = append(want, data...)
		want = append(want, make([]byte, 4096-len(data))...)
	}
	num(2)
	thread(0)
	thread(1)
	num(2)
	thread(2)
	thread(3)
	num(6)
	want = append(want, "\x00\x00\x00\x09l1"...)
	num(4)
	page(0, "\x03\x04")
	page(0x7_fff0, "")
	page(0x123_4567, strings.Repeat("page", 1024))
	page(0xf_ffff_ffff_ffff, strings.Repeat("\x00", 4094)+"\x01\x02")
	if body := plainBody(t, data, len(header)+4); !bytes.Equal(body, want) {
		t.Errorf("body\n%x\nwant\n%x", body, want)
	}
}

// The bytes are those of the state, not of the way to it.
func TestCanonical(t *testing.T) {
	data := bytes.Repeat([]byte{5}, 3*machine.PageSize)
	a, b := machine.New(layout), machine.New(layout)
	for i := range uint64(3) {
		a.Mem.Write(i*machine.PageSize*7, data[:1])
		b.Mem.Write((2-i)*machine.PageSize*7, data[:1])
	}
	b.Mem.Write(7, []byte{9})
	b.Mem.Root()
	b = b.Fork()
	b.Mem.Write(7, []byte{0})
	b.Set(ir.Sink, 3)
	b.Hint = []byte{}
	if !bytes.Equal(write(t, a), write(t, b)) {
		t.Error("equal machines give different files")
	}
}

func TestNotSavable(t *testing.T) {
	whole := sample(t)
	witness, err := machine.FromWitness(layout, whole.Encode(), whole.EncodeThread(), whole.Under())
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(io.Discard, witness, "mips64", "bare"); err == nil || !strings.Contains(err.Error(), "root only") {
		t.Errorf("machine of a witness: %v", err)
	}
	idle := sample(t)
	idle.PopThread()
	if err := Write(io.Discard, idle, "mips64", "bare"); err == nil || !strings.Contains(err.Error(), "no thread is running") {
		t.Errorf("machine within a step: %v", err)
	}
	if err := Write(io.Discard, whole, strings.Repeat("x", 256), "bare"); err == nil {
		t.Error("a name of 256 bytes was written")
	}
}

// The file's writer fails at every place once.
func TestWriterFails(t *testing.T) {
	m := sample(t)
	size := len(write(t, m))
	for n := range size {
		if err := Write(&limited{n}, m, "mips64", "bare"); !errors.Is(err, errFull) {
			t.Fatalf("room for %d of %d bytes: %v", n, size, err)
		}
	}
}

var errFull = errors.New("full")

type limited struct{ n int }

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.n {
		return 0, errFull
	}
	l.n -= len(p)
	return len(p), nil
}
