package flexemu

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/flexemu/flexemu/internal/atomicfile"
	"github.com/flexemu/flexemu/internal/merkle"
)

// A historyFile holds roots of one history: historyMagic, the key, then records, in the order in which they were
// made. A record is the number of its first root, 8 bytes; how many roots it has, 4; whether the last one is of a machine
// that has halted, 1; the roots; and the CRC-32C of the key and all of that, 4. Numbers are big-endian.
//
// Records are only appended. After a crash, or with damage, the file is right up to the first record that does not
// fit its checksum; from there on it is made anew. A nil file has nothing and takes nothing.
type historyFile struct {
	f       *os.File
	key     Hash
	size    int64    // of what is right
	records []record // as they were found, ascending
}

// A record is a range of roots.
type record struct {
	first uint64
	roots []Hash
	last  bool // the machine halts at the last of them
}

// end is the number of the root after the last one.
func (r record) end() uint64 { return r.first + uint64(len(r.roots)) }

const (
	historyMagic = "flexemu history\x01"
	recordHead   = 8 + 4 + 1
	recordTail   = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// historyKey stands for all that roots depend on: the first state, the inputs, the place of the roots; and the build of
// this program, so that one whose roots were wrong leaves nothing to the next.
func (x *Index) historyKey(o *HistoryOptions) Hash {
	first := x.firstRoot()
	b := []byte(historyMagic)
	for _, s := range []string{build(), x.run.isa.Name, x.run.Kernel()} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = append(append(b, first[:]...), o.Inputs[:]...)
	b = binary.BigEndian.AppendUint64(b, o.From)
	return merkle.Keccak256(append(b, o.Log2Stride))
}

// build is what Go tells of the version of this program.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.String()
}

// openHistory opens the file of a history, or makes it, and reads what it has.
func openHistory(folder string, key Hash) (*historyFile, error) {
	name := filepath.Join(folder, hex.EncodeToString(key[:])+".history")
	head := append([]byte(historyMagic), key[:]...)
	h := &historyFile{key: key}
	err := h.open(name, head)
	if err == nil && h.size == 0 { // it is new, or of something else
		h.f.Close()
		if err = atomicfile.Write(name, func(w io.Writer) error { _, err := w.Write(head); return err }); err == nil {
			err = h.open(name, head)
		}
	}
	if err == nil {
		err = h.f.Truncate(h.size) // what is not right
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// open reads a file. Nothing is right in one that is not there.
func (h *historyFile) open(name string, head []byte) (err error) {
	if h.f, err = os.OpenFile(name, os.O_RDWR|os.O_APPEND, 0); errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	info, err := h.f.Stat()
	if err != nil {
		return err
	}
	left := info.Size() - int64(len(head))
	r := bufio.NewReaderSize(h.f, 1<<20)
	found := make([]byte, len(head))
	if _, err := io.ReadFull(r, found); left < 0 || err != nil || !bytes.Equal(found, head) {
		return h.unlessShort(err)
	}
	h.size = int64(len(head))
	for {
		rec, size, err := h.read(r, left)
		if size == 0 {
			return h.unlessShort(err)
		}
		h.records = append(h.records, rec)
		h.size, left = h.size+size, left-size
	}
}

// unlessShort drops an error that says that a file ends too early.
func (h *historyFile) unlessShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// read reads a record of at most left bytes, and gives its size in the file: 0 if it is not right.
func (h *historyFile) read(r io.Reader, left int64) (rec record, size int64, err error) {
	var head [recordHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return rec, 0, err
	}
	count := int64(binary.BigEndian.Uint32(head[8:]))
	size = recordHead + count*merkle.LeafSize + recordTail
	if count == 0 || size > left {
		return rec, 0, nil
	}
	body := make([]byte, size-recordHead)
	if _, err := io.ReadFull(r, body); err != nil {
		return rec, 0, err
	}
	body, tail := body[:len(body)-recordTail], body[len(body)-recordTail:]
	rec = record{first: binary.BigEndian.Uint64(head[:]), roots: make([]Hash, count), last: head[12] != 0}
	if h.checksum(head[:], body) != binary.BigEndian.Uint32(tail) || rec.end() < rec.first {
		return rec, 0, nil
	}
	for i := range rec.roots {
		copy(rec.roots[i][:], body[i*merkle.LeafSize:])
	}
	return rec, size, nil
}

func (h *historyFile) checksum(parts ...[]byte) uint32 {
	sum := crc32.Checksum(h.key[:], castagnoli)
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return sum
}

// kept gives the records that were found, ascending. They may overlap: two processes may have made the same.
func (h *historyFile) kept() []record {
	if h == nil {
		return nil
	}
	slices.SortFunc(h.records, func(a, b record) int { return cmp.Compare(a.first, b.first) })
	return h.records
}

// take is kept, and lets go of them.
func (h *historyFile) take() []record {
	r := h.kept()
	if h != nil {
		h.records = nil
	}
	return r
}

// all gives the first count roots, or those up to the machine's end, if they were found.
func (h *historyFile) all(count uint64) (roots []Hash, ok bool) {
	for _, r := range h.kept() {
		have := uint64(len(roots))
		if r.first > have {
			break
		}
		if r.end() > have {
			roots = append(roots, r.roots[have-r.first:]...)
		}
		if have = uint64(len(roots)); have >= count || r.last {
			return roots[:min(have, count)], true
		}
	}
	return nil, false
}

// add appends a record. If that fails, the file is as it was, as far as possible.
func (h *historyFile) add(r record) error {
	if h == nil {
		return nil
	}
	b := make([]byte, recordHead, recordHead+len(r.roots)*merkle.LeafSize+recordTail)
	binary.BigEndian.PutUint64(b, r.first)
	binary.BigEndian.PutUint32(b[8:], uint32(len(r.roots)))
	if r.last {
		b[12] = 1
	}
	for i := range r.roots {
		b = append(b, r.roots[i][:]...)
	}
	b = binary.BigEndian.AppendUint32(b, h.checksum(b))
	if _, err := h.f.Write(b); err != nil {
		return errors.Join(err, h.f.Truncate(h.size))
	}
	h.size += int64(len(b))
	return nil
}

// sync makes what was added last.
func (h *historyFile) sync() error {
	if h == nil {
		return nil
	}
	return h.f.Sync()
}

func (h *historyFile) close() {
	if h != nil && h.f != nil {
		h.f.Close()
	}
}
