// Package atomicfile writes files so that nothing half-written ever stands under their names.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// bufferSize is the number of bytes that are gathered before they are written.
const bufferSize = 1 << 18

// Write makes a file with that name of what write writes; one that is there already is replaced, and its mode
// kept. The bytes go into a temporary file in the same directory, which is synced and then renamed. After an error,
// also when write panics, the temporary file is gone and what stood under the name is untouched. A crash of the host
// may leave the temporary file: its name is that of the file with ".tmp" and a number at its end.
//
// The name may be a symbolic link to a file; then that is replaced. If it is a device or a pipe, the bytes go there
// straight. The writer that write gets is buffered.
func Write(name string, write func(io.Writer) error) error {
	target, old, err := resolve(name)
	switch {
	case err != nil:
		return fmt.Errorf("write file %s: %w", name, err)
	case old != nil && !old.Mode().IsRegular():
		return writeThrough(name, write)
	}
	return replace(target, old, write)
}

// Check tells whether Write could make a file with that name, for callers that have long work to do before. It leaves
// nothing behind.
func Check(name string) error {
	target, old, err := resolve(name)
	if err != nil || old != nil && !old.Mode().IsRegular() {
		return err
	}
	f, err := temporary(target)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// resolve follows symbolic links to a regular file. old is what is there; nil if nothing is.
func resolve(name string) (target string, old fs.FileInfo, err error) {
	old, err = os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return name, nil, nil
	case err != nil:
		return "", nil, err
	case old.IsDir():
		return "", nil, errors.New("it is a directory")
	case !old.Mode().IsRegular():
		return name, old, nil
	}
	target, err = filepath.EvalSymlinks(name)
	return target, old, err
}

// replace writes the file beside name and renames it. old, which may be nil, is what is there.
func replace(name string, old fs.FileInfo, write func(io.Writer) error) error {
	f, err := temporary(name)
	if err != nil {
		return fmt.Errorf("write file %s: %w", name, err)
	}
	done := false
	defer func() {
		if !done {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if old != nil {
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			return fmt.Errorf("write file %s: %w", name, err)
		}
	}
	if err := fill(f, write); err != nil {
		return fmt.Errorf("write file %s: %w", name, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write file %s: %w", name, err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	done = true
	if err := syncDirectory(filepath.Dir(name)); err != nil {
		return fmt.Errorf("write file %s: %w", name, err)
	}
	return nil
}

// temporary makes a new file beside name. os.CreateTemp would make it readable by its owner only.
func temporary(name string) (*os.File, error) {
	for i := os.Getpid(); ; i++ {
		f, err := os.OpenFile(name+".tmp"+strconv.Itoa(i), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

func fill(w io.Writer, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, bufferSize)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}

func writeThrough(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := errors.Join(fill(f, write), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// syncDirectory makes a rename last. Not every file system can sync a directory, and where none is needed that
// is no error.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
