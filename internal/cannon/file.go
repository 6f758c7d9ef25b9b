package cannon

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Mode is that of every file that Cannon writes.
const mode = 0o755

const bufferSize = 1 << 18

// isBinary tells whether a state file of that name has the binary format.
func isBinary(name string) bool {
	return strings.HasSuffix(name, ".bin") || strings.HasSuffix(name, ".bin.gz")
}

func isGzip(name string) bool { return strings.HasSuffix(name, ".gz") }

// open reads a file, decompressed if its name ends with .gz.
func open(name string) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	b := bufio.NewReaderSize(f, bufferSize)
	if !isGzip(name) {
		return readCloser{b, f}, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return readCloser{bufio.NewReaderSize(z, bufferSize), f}, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// writeFile makes a file, or leaves what stands under its name. Nothing is compressed. sync makes it last if the host
// goes down.
func writeFile(name string, sync bool, write func(io.Writer) error) (err error) {
	f, err := temporary(name)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	b := bufio.NewWriterSize(f, bufferSize)
	if err := errors.Join(write(b), b.Flush()); err != nil {
		return err
	}
	if sync {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// temporary makes a new file beside name. Its own name is never that of a snapshot that somebody looks for.
func temporary(name string) (*os.File, error) {
	for i := os.Getpid(); ; i++ {
		f, err := os.OpenFile(filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".tmp"+strconv.Itoa(i)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
	}
}

// writeJSON writes a value as Cannon does: indented by two spaces, with an empty line at the end; to stdout if the
// name is -, to nowhere if it is empty, compressed if it ends with .gz.
func writeJSON(name string, stdout io.Writer, value any) error {
	encode := func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(value); err != nil {
			return err
		}
		_, err := w.Write([]byte{'\n'})
		return err
	}
	switch {
	case name == "":
		return nil
	case name == "-":
		return encode(stdout)
	case !isGzip(name):
		return writeFile(name, false, encode)
	}
	return writeFile(name, false, func(w io.Writer) error {
		z := gzip.NewWriter(w)
		return errors.Join(encode(z), z.Close())
	})
}

// readJSON reads a file that holds one JSON value.
func readJSON(name string, value any) error {
	f, err := open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	if err := d.Decode(value); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("read %s: more data after the JSON value, at byte %d", name, d.InputOffset())
	}
	return nil
}
