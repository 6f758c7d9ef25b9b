// Package guests_test runs the small guests on the host, which gives the output that they must have
// on every machine.
package guests_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/flexemu/flexemu/examples/preimage"
)

func TestGuests(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir, "./...").CombinedOutput(); err != nil {
		t.Fatalf("build the guests: %v\n%s", err, out)
	}
	data := bytes.Repeat([]byte("flexemu"), 1001) // its length is no multiple of 8
	hash := crypto.Keccak256Hash(data)
	source := preimage.Map(map[[32]byte][]byte{preimage.Local(1): hash[:], preimage.Keccak256(hash): data})
	for _, test := range []struct {
		name, want string
		hints      []string
	}{
		{"hello", "hello, world\n", nil},
		{"threads", "400 hashes by 4 threads: c65d63f1e85603a7091c078114ae9d4a85e9163fc29e8b14d6d9b06c45d6590b\n", nil},
		{"alloc", "61380 nodes came and went, 4095 stayed, of height 8178 in all; collected: true\n", nil},
		{"preimage", fmt.Sprintf("7007 bytes, SHA-256 %x\n", sha256.Sum256(data)), []string{"keccak " + hash.Hex()}},
	} {
		var stdout bytes.Buffer
		var hints []string
		cmd := exec.Command(filepath.Join(dir, test.name))
		cmd.Stdout = &stdout
		err := preimage.Connect(cmd, source, func(hint string) { hints = append(hints, hint) })
		if err != nil || stdout.String() != test.want || !slices.Equal(hints, test.hints) {
			t.Errorf("%s: printed %q, sent the hints %q, %v; want %q, %q", test.name, &stdout, hints, err, test.want, test.hints)
		}
	}
}
