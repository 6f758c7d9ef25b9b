package cannon

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/preimage"
)

// A PreimageMatcher says at which reads of pre-images a run stops. The zero value says none.
type PreimageMatcher struct {
	any    bool
	prefix []byte // of the key; not looked at if empty
	offset uint64
	step   uint64 // the least
	larger int    // bytes with the length in front; 0: not looked at
}

// ParsePreimage reads what --stop-at-preimage says, KEYPREFIX[@OFFSET[@STEP]]: the prefix in hexadecimal digits, the
// others decimal.
func ParsePreimage(text string) (PreimageMatcher, error) {
	parts := strings.Split(text, "@")
	m := PreimageMatcher{prefix: fromHex(parts[0])}
	if len(parts) > 3 {
		return m, fmt.Errorf("invalid --stop-at-preimage %s: it is KEYPREFIX@OFFSET@STEP", text)
	}
	for n, to := range []*uint64{&m.offset, &m.step} {
		if len(parts) < n+2 {
			break
		}
		v, err := strconv.ParseUint(parts[n+1], 10, 64)
		if err != nil {
			return m, fmt.Errorf("invalid --stop-at-preimage %s: %w", text, err)
		}
		*to = v
	}
	return m, nil
}

// fromHex reads digits up to the first that is none; an odd number of them has a 0 in front.
func fromHex(text string) []byte {
	if len(text) >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') {
		text = text[2:]
	}
	if len(text)%2 == 1 {
		text = "0" + text
	}
	b, _ := hex.DecodeString(text) // the bytes before an error
	return b
}

// ParsePreimageType reads what --stop-at-preimage-type says.
func ParsePreimageType(text string) (PreimageMatcher, error) {
	types := map[string]byte{
		"local": preimage.Local, "keccak": preimage.Keccak256, "sha256": preimage.SHA256, "blob": preimage.Blob,
		"precompile": preimage.Precompile,
	}
	kind, ok := types[text]
	switch {
	case ok:
		return PreimageMatcher{prefix: []byte{kind}}, nil
	case text == "" || text == "any":
		return PreimageMatcher{any: text == "any"}, nil
	}
	return PreimageMatcher{}, fmt.Errorf("invalid preimage type %q: it is local, keccak, sha256, blob, precompile or any", text)
}

// LargerThan wants pre-images of more bytes, too, in addition to what m wants. With a prefix the offset and the step
// are then not looked at.
func (m PreimageMatcher) LargerThan(n int) PreimageMatcher {
	m.larger = n
	return m
}

// matches tells whether a run stops behind the step that has read.
func (m *PreimageMatcher) matches(read *bare.OracleRead, step uint64) bool {
	if m.any {
		return true
	}
	if len(m.prefix) > len(read.Key) {
		panic(vmPanic("--stop-at-preimage: a key has %d bytes, the prefix %d", len(read.Key), len(m.prefix)))
	}
	prefix := len(m.prefix) > 0 && string(read.Key[:len(m.prefix)]) == string(m.prefix)
	size := m.larger != 0 && len(read.Value) > m.larger
	switch {
	case len(m.prefix) == 0:
		return size
	case m.larger != 0:
		return prefix && size
	}
	return prefix && read.Offset == m.offset && step >= m.step
}
