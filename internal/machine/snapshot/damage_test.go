package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
	"github.com/flexemu/flexemu/internal/machine"
)

// refused fails unless the error says all of that.
func refused(t *testing.T, what string, err error, says ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s: error %q does not say %q", what, err, s)
		}
	}
}

func TestTruncated(t *testing.T) {
	data := write(t, sample(t))
	for n := range data {
		_, err := read(data[:n], layout)
		refused(t, "truncated", err, "offset", "expected", "too early")
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestEveryBitCounts(t *testing.T) {
	data := write(t, sample(t))
	for i := range 8 * len(data) {
		bad := bytes.Clone(data)
		bad[i/8] ^= 1 << (i % 8)
		_, err := read(bad, layout)
		refused(t, "flipped bit", err, "offset")
	}
}

func TestOtherFiles(t *testing.T) {
	data := write(t, sample(t))
	version := bytes.Clone(data)
	version[9] = 2
	long := append([]byte("flexSNAP\x00\x01"), bytes.Repeat([]byte{255}, 2000)...)
	for _, c := range []struct {
		what string
		data []byte
		says []string
	}{
		{"empty", nil, []string{"offset 0", "8 bytes"}},
		{"ELF", []byte("\x7fELF\x02\x02\x01\x00\x00\x00\x00"), []string{"offset 0", "not a snapshot", "flexSNAP"}},
		{"gzip", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00"), []string{"not a snapshot"}},
		{"version", version, []string{"offset 8", "version is 2", "reads version 1"}},
		{"header of noise", long, []string{"checksum of the header"}},
		{"trailing byte", append(bytes.Clone(data), 0), []string{"goes on where its end"}},
		{"twice", append(bytes.Clone(data), data...), []string{"goes on where its end"}},
	} {
		_, err := read(c.data, layout)
		refused(t, c.what, err, c.says...)
	}
}

// The instruction set's layout is another one than the file's threads have.
func TestOtherLayout(t *testing.T) {
	data := write(t, sample(t))
	for _, other := range [][]ir.Cell{nil, layout[:2], append([]ir.Cell{3}, layout...)} {
		_, err := read(data, other)
		refused(t, "layout", err, "offset")
	}
}

// forge makes a snapshot of an encoded state and a body, with right checksums.
func forge(t testing.TB, state, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(Magic + "\x00\x01\x06mips64\x04bare")
	b.Write(state)
	sum := checksum(0, b.Bytes())
	binary.Write(&b, binary.BigEndian, sum)
	w, err := newBlockWriter(&b, sum)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.write(body), w.close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func numbers(ns ...uint64) []byte {
	var b []byte
	for _, n := range ns {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

// Files whose checksums are right but that say what cannot be.
func TestForgedBodies(t *testing.T) {
	m := machine.New(layout)
	state := m.Encode()
	thread := m.EncodeThread()
	page := make([]byte, machine.PageSize)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	stacks := join(numbers(1), thread, numbers(0))
	flag := bytes.Clone(thread)
	flag[9] = 2
	exited := bytes.Clone(state)
	exited[98] = 2
	other := bytes.Clone(state)
	other[0] ^= 1

	if _, err := read(forge(t, state, join(stacks, numbers(0, 0))), layout); err != nil {
		t.Fatalf("the whole body: %v", err)
	}
	const huge = 1 << 63
	for _, c := range []struct {
		what        string
		state, body []byte
		says        []string
	}{
		{"no body", state, nil, []string{"number of threads of the left stack"}},
		{"huge number of threads", state, join(numbers(huge), thread), []string{"thread 1 of 9223372036854775808 of the left stack"}},
		{"no running thread", state, numbers(0, 0, 0, 0), []string{"active stack, the left one, is empty"}},
		{"exited flag", state, join(numbers(1), flag, numbers(0, 0, 0)), []string{"exited flag of thread 0 of the left stack is 2"}},
		{"huge hint", state, join(stacks, numbers(huge), page), []string{"expected the hint"}},
		{"huge number of pages", state, join(stacks, numbers(0, huge)), []string{"expected the number of a page"}},
		{"half a page", state, join(stacks, numbers(0, 1, 0), page[1:]), []string{"expected page 0x0, 0 of 1", "1 bytes too early"}},
		{"a page twice", state, join(stacks, numbers(0, 2, 3), page, numbers(3), page), []string{"page 1 of 2 has the number 0x3; expected 0x4"}},
		{"descending pages", state, join(stacks, numbers(0, 2, 3), page, numbers(2), page), []string{"expected 0x4"}},
		{"page beyond memory", state, join(stacks, numbers(0, 1, 1<<52), page), []string{"number 0x10000000000000"}},
		{"trailing body", state, join(stacks, numbers(0, 0), []byte{0}), []string{"body goes on"}},
		{"halted flag", exited, join(stacks, numbers(0, 0)), []string{"exited of the state is 2"}},
		{"other memory", other, join(stacks, numbers(0, 0)), []string{"has the root 0x", "the header has 0x"}},
		{"other thread", state, join(numbers(1), thread[:threadSize-1], []byte{1}, numbers(0, 0, 0)), []string{"has the root"}},
	} {
		_, err := read(forge(t, c.state, c.body), layout)
		refused(t, c.what, err, append(c.says, "offset")...)
	}
}

// What a file claims costs nothing until its bytes are there.
func TestLiesCostNoMemory(t *testing.T) {
	m := machine.New(layout)
	stacks := bytes.Join([][]byte{numbers(1), m.EncodeThread(), numbers(0)}, nil)
	block := forge(t, m.Encode(), nil)
	header := block[:len(block)-8]
	for what, data := range map[string][]byte{
		"threads":          forge(t, m.Encode(), numbers(1<<40)),
		"hint":             forge(t, m.Encode(), append(bytes.Clone(stacks), numbers(1<<40)...)),
		"pages":            forge(t, m.Encode(), append(bytes.Clone(stacks), numbers(0, 1<<40)...)),
		"block":            append(bytes.Clone(header), 0xff, 0xff, 0xff, 0xff),
		"block of a frame": forgeBlock(header, []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0}),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := read(data, layout)
		runtime.ReadMemStats(&after)
		refused(t, what, err, "offset")
		if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
			t.Errorf("%s: %d bytes allocated", what, n)
		}
	}
}

// forgeBlock puts a block with a right checksum behind a header.
func forgeBlock(header, packed []byte) []byte {
	data := bytes.Clone(header)
	part := binary.BigEndian.AppendUint32(nil, uint32(len(packed)))
	part = append(part, packed...)
	sum := checksum(binary.BigEndian.Uint32(header[len(header)-4:]), part)
	return binary.BigEndian.AppendUint32(append(data, part...), sum)
}

func FuzzOpen(f *testing.F) {
	data := write(f, sample(f))
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte(Magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := read(data, layout)
		if err == nil {
			// Only the compression may differ.
			if _, err := read(write(t, m), layout); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzBody goes on where checksums stop FuzzOpen.
func FuzzBody(f *testing.F) {
	m := sample(f)
	header := len(Magic) + 2 + 7 + 5 + machine.StateSize + 4
	f.Add(m.Encode(), plainBody(f, write(f, m), header))
	f.Add(machine.New(layout).Encode(), numbers(1, 0, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, state, body []byte) {
		if len(state) != machine.StateSize {
			return
		}
		data := forge(t, state, body)
		m, err := read(data, layout)
		if err == nil && !bytes.Equal(write(t, m), data) {
			t.Error("a machine was made of a body that is not canonical")
		}
	})
}
