package preimage

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A Folder gives the pre-images that are files of a directory. A file is named by the key, 64 lower-case hex digits,
// with or without 0x before them, and holds the data as they are. Hints are ignored.
type Folder struct {
	dir    string
	locals Locals
}

// OpenFolder returns the folder of a directory. locals may be nil.
func OpenFolder(dir string, locals Locals) (*Folder, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("pre-images: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("pre-images: %s is not a directory", dir)
	}
	return &Folder{dir, locals}, nil
}

// Preimage reads the file of a key and checks what is in it.
func (d *Folder) Preimage(key [32]byte) ([]byte, error) {
	if err := checkType(key); err != nil {
		return nil, err
	}
	digits := hex.EncodeToString(key[:])
	name := filepath.Join(d.dir, digits)
	data, err := readFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		name = filepath.Join(d.dir, "0x"+digits)
		data, err = readFile(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("pre-image %#x: no file of that name in %s: %w", key, d.dir, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("pre-image %#x: %w", key, err)
	}
	if err := Check(key, data, d.locals); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// Hint does nothing.
func (d *Folder) Hint([]byte) error { return nil }

// readFile refuses what is no plain file: a pipe would make the run wait for ever.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, DefaultMaxLength+1))
	if err == nil && len(data) > DefaultMaxLength {
		err = fmt.Errorf("%s has more than %d bytes", name, DefaultMaxLength)
	}
	return data, err
}
