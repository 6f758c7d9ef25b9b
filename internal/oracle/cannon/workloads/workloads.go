// Package workloads holds small Go programs for the base machine, for tests and
// for measuring Cannon's speed, and builds them.
package workloads

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/ethereum/go-ethereum/crypto"
)

// The programs, one folder each beside this file. The long ones take more than
// 100 million steps.
var (
	Short = []string{"hello", "preimages", "goroutines", "clock", "collect"}
	Long  = []string{"maps", "sha256"}
)

// Source is the folder of the program name.
func Source(name string) string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), name)
}

// Build compiles the Go program in the folder source for linux/mips64 without
// floating-point instructions, into the file out.
func Build(source, out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", out, ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=mips64", "GOMIPS64=softfloat", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", source, err, text)
	}
	return nil
}

// Preimages writes the input of the program "preimages" into dir, as files
// named by their key.
func Preimages(dir string) error {
	last := make([]byte, 1_003) // no multiple of 8
	last[len(last)-1] = 42
	bySHA := sha256.Sum256(last)
	byKeccak := crypto.Keccak256(bySHA[:])
	return errors.Join(
		write(dir, [32]byte{31: 1}, 1, byKeccak),
		write(dir, [32]byte(byKeccak), 2, bySHA[:]),
		write(dir, bySHA, 4, last),
	)
}

func write(dir string, key [32]byte, kind byte, data []byte) error {
	key[0] = kind
	return os.WriteFile(filepath.Join(dir, hex.EncodeToString(key[:])), data, 0o644)
}
