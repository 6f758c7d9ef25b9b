package preimage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A Source returns the data of a key, or an error when it has none.
type Source func(Key) ([]byte, error)

// Map is the source of pre-images that are held in memory.
func Map(preimages map[[32]byte][]byte) Source {
	return func(key Key) ([]byte, error) {
		data, ok := preimages[key]
		if !ok {
			return nil, fmt.Errorf("pre-image %v: unknown key", key)
		}
		return data, nil
	}
}

// Folder is the source of pre-images that are files of a folder, named by their keys in hex.
func Folder(dir string) Source {
	return func(key Key) ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(dir, key.String()))
		if err != nil {
			return nil, fmt.Errorf("pre-image %v: %w", key, err)
		}
		return data, nil
	}
}

// WriteFolder makes the folder, if need be, and writes each pre-image into it under its key.
func WriteFolder(dir string, preimages map[[32]byte][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write pre-images: %w", err)
	}
	for key, data := range preimages {
		if err := os.WriteFile(filepath.Join(dir, Key(key).String()), data, 0o644); err != nil {
			return fmt.Errorf("write pre-image %v: %w", Key(key), err)
		}
	}
	return nil
}

// Serve answers requests for pre-images until the client closes its end. It returns the error of
// the source for a key that is not there: the protocol has no answer for that.
func Serve(source Source, in io.Reader, out io.Writer) error {
	var key Key
	for {
		if _, err := io.ReadFull(in, key[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("serve pre-images: read a key: %w", err)
		}
		data, err := source(key)
		if err != nil {
			return fmt.Errorf("serve pre-images: %w", err)
		}
		answer := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(data)), uint64(len(data)))
		if _, err := out.Write(append(answer, data...)); err != nil {
			return fmt.Errorf("serve pre-image %v: %w", key, err)
		}
	}
}

// ServeHints hands each hint to take and answers it, until the client closes its end.
func ServeHints(take func(hint string), in io.Reader, out io.Writer) error {
	var prefix [4]byte
	for {
		if _, err := io.ReadFull(in, prefix[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("serve hints: read a length: %w", err)
		}
		length := binary.BigEndian.Uint32(prefix[:])
		if length > MaxLength {
			return fmt.Errorf("serve hints: length %d is above %d", length, MaxLength)
		}
		hint := make([]byte, length)
		if _, err := io.ReadFull(in, hint); err != nil {
			return fmt.Errorf("serve hints: read %d bytes: %w", length, err)
		}
		take(string(hint))
		if _, err := out.Write([]byte{0}); err != nil {
			return fmt.Errorf("serve hint %q: %w", hint, err)
		}
	}
}
