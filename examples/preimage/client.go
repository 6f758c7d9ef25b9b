// Package preimage is the guest's side of the pre-image protocol of the base machine, and a small
// host's side of it for runs outside flexEmu.
//
// A pre-image is input data that is asked for by its key: 32 bytes, the first of which says what
// the rest is. The guest writes the key to descriptor 6 and reads from descriptor 5 the length, 8
// bytes big-endian, and then the data. A hint goes to descriptor 4, its length first, 4 bytes
// big-endian; one byte on descriptor 3 answers it. Source: the fault-proof specification of the OP
// Stack, "Pre-image communication".
package preimage

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// MaxLength is the length in bytes above which a pre-image is taken for a mistake of the host.
const MaxLength = 64 << 20

// The types of keys that this package makes.
const (
	localKey  = 1
	keccakKey = 2
)

// A Key names a pre-image.
type Key [32]byte

// Local is the key of the program's own input number id.
func Local(id uint64) Key {
	var key Key
	key[0] = localKey
	binary.BigEndian.PutUint64(key[24:], id)
	return key
}

// Keccak256 is the key of the data with that keccak-256 hash.
func Keccak256(hash [32]byte) Key {
	hash[0] = keccakKey
	return hash
}

// String is the key in hex, which is also its file name in a folder of pre-images.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// A Client asks for pre-images. It is not safe for concurrent use.
type Client struct {
	data, hint struct {
		in  io.Reader
		out io.Writer
	}
}

// NewClient is a client that talks over the given ends: those of the pre-image channel and those of
// the hint channel, which may be nil where no hint is sent.
func NewClient(dataIn io.Reader, dataOut io.Writer, hintIn io.Reader, hintOut io.Writer) *Client {
	c := new(Client)
	c.data.in, c.data.out = dataIn, dataOut
	c.hint.in, c.hint.out = hintIn, hintOut
	return c
}

// Open is the client of a program that was started by the base machine or by Connect.
func Open() *Client {
	return NewClient(
		os.NewFile(5, "pre-image read"), os.NewFile(6, "pre-image write"),
		os.NewFile(3, "hint read"), os.NewFile(4, "hint write"))
}

// Get returns the data of a key. The base machine only hands out data that was checked against the
// key; other hosts are trusted.
//
// The machine gives at most 8 bytes a call and takes as few of a key, so short reads and writes are
// the rule; it also halts at a read past the end, so no byte more than the length is asked for.
func (c *Client) Get(key Key) ([]byte, error) {
	if _, err := c.data.out.Write(key[:]); err != nil {
		return nil, fmt.Errorf("pre-image %v: write the key: %w", key, err)
	}
	var prefix [8]byte
	if _, err := io.ReadFull(c.data.in, prefix[:]); err != nil {
		return nil, fmt.Errorf("pre-image %v: read the length: %w", key, err)
	}
	length := binary.BigEndian.Uint64(prefix[:])
	if length > MaxLength {
		return nil, fmt.Errorf("pre-image %v: length %d is above %d", key, length, MaxLength)
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(c.data.in, data); err != nil {
		return nil, fmt.Errorf("pre-image %v: read %d bytes: %w", key, length, err)
	}
	return data, nil
}

// Hint tells the host what will be asked for, and returns when the host is ready for it. A hint
// changes no result: the base machine does not record it.
func (c *Client) Hint(text string) error {
	message := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	if _, err := c.hint.out.Write(append(message, text...)); err != nil {
		return fmt.Errorf("hint %q: write: %w", text, err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(c.hint.in, answer[:]); err != nil {
		return fmt.Errorf("hint %q: read the answer: %w", text, err)
	}
	return nil
}
