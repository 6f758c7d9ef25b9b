package snapshot

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// blockSize is the length in bytes of a block before compression; the last one may be shorter. The reader
	// takes any length up to this.
	blockSize = 1 << 20
	// maxPacked is more than zstd ever makes of a block: 3 bytes for each 128 KiB that do not shrink, and a header.
	maxPacked = blockSize + 4096
	// blockHead is the length in bytes of the number before a block.
	blockHead = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum continues the CRC-32C of a file.
func checksum(sum uint32, p []byte) uint32 { return crc32.Update(sum, castagnoli, p) }

// A blockWriter cuts what is written into blocks of blockSize bytes. In the file a block is the length of its
// compressed bytes, 4 bytes; these; and a checksum, 4 bytes.
type blockWriter struct {
	w      io.Writer
	sum    uint32 // of the file so far, without checksums
	encode *zstd.Encoder
	plain  []byte // what is not yet in a block
	packed []byte // a block as it is in the file
}

func newBlockWriter(w io.Writer, sum uint32) (*blockWriter, error) {
	// One worker: EncodeAll starts no goroutine then.
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(blockSize), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	return &blockWriter{w: w, sum: sum, encode: e, plain: make([]byte, 0, blockSize)}, nil
}

func (b *blockWriter) number(n uint64) error {
	var p [8]byte
	binary.BigEndian.PutUint64(p[:], n)
	return b.write(p[:])
}

func (b *blockWriter) write(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), blockSize-len(b.plain))
		b.plain = append(b.plain, p[:n]...)
		p = p[n:]
		if len(b.plain) == blockSize {
			if err := b.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// close writes the last block and the empty one that ends the file.
func (b *blockWriter) close() error {
	if len(b.plain) > 0 {
		if err := b.flush(); err != nil {
			return err
		}
	}
	return b.flush()
}

func (b *blockWriter) flush() error {
	b.packed = append(b.packed[:0], make([]byte, blockHead)...)
	if len(b.plain) > 0 {
		b.packed = b.encode.EncodeAll(b.plain, b.packed)
	}
	b.plain = b.plain[:0]
	binary.BigEndian.PutUint32(b.packed, uint32(len(b.packed)-blockHead))
	b.sum = checksum(b.sum, b.packed)
	b.packed = binary.BigEndian.AppendUint32(b.packed, b.sum)
	_, err := b.w.Write(b.packed)
	return err
}

// A file is a snapshot that is read byte by byte.
type file struct {
	r   *bufio.Reader
	at  int64  // bytes read
	sum uint32 // of these, without checksums
}

func newFile(r io.Reader) *file { return &file{r: bufio.NewReader(r)} }

// errorAt says what is wrong at an offset of the file.
func (f *file) errorAt(offset int64, format string, args ...any) error {
	return fmt.Errorf("snapshot: offset %d: %w", offset, fmt.Errorf(format, args...))
}

// fill reads all of p.
func (f *file) fill(p []byte, what string) error {
	n, err := io.ReadFull(f.r, p)
	f.at += int64(n)
	f.sum = checksum(f.sum, p[:n])
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return f.errorAt(f.at, "expected %s; the file ends %d bytes too early: %w", what, len(p)-n, io.ErrUnexpectedEOF)
	case err != nil:
		return f.errorAt(f.at, "read %s: %w", what, err)
	}
	return nil
}

// take reads n bytes, of which there must be few.
func (f *file) take(n int, what string) ([]byte, error) {
	p := make([]byte, n)
	return p, f.fill(p, what)
}

// check reads a checksum, which must be that of the file up to here.
func (f *file) check(what string) error {
	want, at := f.sum, f.at
	p, err := f.take(4, "the checksum of "+what)
	if err != nil {
		return err
	}
	if sum := binary.BigEndian.Uint32(p); sum != want {
		return f.errorAt(at, "the checksum of %s is %08x, expected %08x: the file is damaged", what, sum, want)
	}
	f.sum = want
	return nil
}

// A blockReader reads what a blockWriter has written.
type blockReader struct {
	file   *file
	decode *zstd.Decoder
	packed []byte
	block  []byte // all of the current block
	plain  []byte // what of it is not yet read
	start  int64  // where the current block begins in the file
	at     int64  // bytes of the body that were read
	ended  bool
}

func newBlockReader(f *file) (*blockReader, error) {
	// A block never grows beyond the room for it, whatever its header claims.
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(blockSize))
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return &blockReader{file: f, decode: d, start: f.at}, nil
}

// errorf says what is wrong at the present place.
func (b *blockReader) errorf(format string, args ...any) error {
	return b.wrap(fmt.Errorf(format, args...))
}

func (b *blockReader) wrap(err error) error {
	return fmt.Errorf("snapshot: offset %d, in the block there; byte %d of the body: %w", b.start, b.at, err)
}

// next reads a block. At the end of the body it sets ended.
func (b *blockReader) next() error {
	b.start = b.file.at
	head, err := b.file.take(blockHead, "the length of a block")
	if err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head)
	if n > maxPacked {
		return b.file.errorAt(b.start, "the length of a block is %d, expected at most %d", n, maxPacked)
	}
	if uint32(cap(b.packed)) < n {
		b.packed = make([]byte, n)
	}
	b.packed = b.packed[:n]
	if err := b.file.fill(b.packed, fmt.Sprintf("a block of %d bytes", n)); err != nil {
		return err
	}
	if err := b.file.check("the block"); err != nil {
		return err
	}
	if n == 0 {
		b.ended = true
		return nil
	}
	if b.block == nil {
		b.block = make([]byte, 0, blockSize)
	}
	b.plain, err = b.decode.DecodeAll(b.packed, b.block)
	if err != nil {
		return b.file.errorAt(b.start, "decompress a block of %d bytes into at most %d: %w", n, blockSize, err)
	}
	return nil
}

// fill reads all of p, which is what the format names.
func (b *blockReader) fill(p []byte, what string, args ...any) error {
	for len(p) > 0 {
		for len(b.plain) == 0 {
			if b.ended {
				return b.errorf("expected %s; the body ends %d bytes too early", fmt.Sprintf(what, args...), len(p))
			}
			if err := b.next(); err != nil {
				return err
			}
		}
		n := copy(p, b.plain)
		p, b.plain, b.at = p[n:], b.plain[n:], b.at+int64(n)
	}
	return nil
}

func (b *blockReader) number(what string) (uint64, error) {
	var p [8]byte
	err := b.fill(p[:], "%s", what)
	return binary.BigEndian.Uint64(p[:]), err
}

// bytes reads n bytes. It asks for memory as it reads, as n may be a lie.
func (b *blockReader) bytes(n uint64, what string) ([]byte, error) {
	var all []byte
	for n > 0 {
		part := min(n, blockSize)
		all = append(all, make([]byte, part)...)
		if err := b.fill(all[uint64(len(all))-part:], "%s", what); err != nil {
			return nil, err
		}
		n -= part
	}
	return all, nil
}

// close makes sure that the body and the file end here.
func (b *blockReader) close() error {
	for !b.ended {
		if len(b.plain) > 0 {
			return b.errorf("the body goes on where its end is expected")
		}
		if err := b.next(); err != nil {
			return err
		}
	}
	at := b.file.at
	switch _, err := b.file.r.ReadByte(); {
	case err == nil:
		return b.file.errorAt(at, "the file goes on where its end is expected")
	case !errors.Is(err, io.EOF):
		return b.file.errorAt(at, "read the end: %w", err)
	}
	return nil
}
