// Command registry writes a registry of OP Stack chains without a chain, as a file with the name of its argument, and
// beside it the hash that is expected: Optimism's Go module needs one to be built, and lacks the real one, which its
// release process makes.
package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func write(name string) error {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for file, text := range map[string]string{"dictionary": "", "chains.json": "{}"} {
		w, err := z.Create(file)
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(name, b.Bytes(), 0o644),
		os.WriteFile(name+".sha256", fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(b.Bytes()), filepath.Base(name)), 0o644),
	)
}
