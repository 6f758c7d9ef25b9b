package cannon

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// Folder answers pre-image requests from files named by their key (64
// lower-case hex digits, type byte first) that hold the raw data. Hints are
// ignored. The empty Folder has no pre-images.
type Folder string

// Hint ignores a hint.
func (Folder) Hint([]byte) {}

// GetPreimage returns the data of key. Cannon gives no way to return an error:
// a missing pre-image panics, and the VM's methods turn that into ErrPanic.
func (d Folder) GetPreimage(key [32]byte) []byte {
	name := hex.EncodeToString(key[:])
	if d == "" {
		panic(fmt.Sprintf("pre-image %s wanted, and no folder of pre-images given", name))
	}
	data, err := os.ReadFile(filepath.Join(string(d), name))
	if err != nil {
		panic(fmt.Sprintf("pre-image: %v", err))
	}
	return data
}
