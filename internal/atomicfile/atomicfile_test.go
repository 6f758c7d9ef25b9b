//go:build unix

package atomicfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func content(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// holds fails unless the directory holds exactly these files.
func holds(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if w, ok := want[e.Name()]; !ok || w != string(text) {
			t.Errorf("%s holds %q, want %q", e.Name(), text, w)
		}
	}
	if len(entries) != len(want) {
		t.Errorf("%d files, want %d", len(entries), len(want))
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	for _, text := range []string{"first", "", strings.Repeat("long ", bufferSize)} {
		if err := Write(name, content(text)); err != nil {
			t.Fatal(err)
		}
		holds(t, dir, map[string]string{"a": text})
	}
}

func TestUnfinishedWriteLeavesNothing(t *testing.T) {
	failure := errors.New("the disk is tired")
	fails := map[string]func(io.Writer) error{
		"at once": func(io.Writer) error { return failure },
		"after much": func(w io.Writer) error {
			_, err := w.Write(make([]byte, 3*bufferSize))
			return errors.Join(err, failure)
		},
		"by a panic": func(w io.Writer) error { panic(failure) },
	}
	for how, write := range fails {
		for _, before := range []map[string]string{{}, {"a": "old"}} {
			t.Run(how, func(t *testing.T) {
				dir := t.TempDir()
				name := filepath.Join(dir, "a")
				for file, text := range before {
					if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				func() {
					defer func() {
						if r := recover(); r != nil && r != failure {
							panic(r)
						}
					}()
					err := Write(name, write)
					if !errors.Is(err, failure) || !strings.Contains(err.Error(), name) {
						t.Errorf("error %v, want one of %s with the cause", err, name)
					}
				}()
				holds(t, dir, before)
			})
		}
	}
}

func TestNothingUnderTheNameMeanwhile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	err := Write(name, func(w io.Writer) error {
		if _, err := w.Write(make([]byte, 2*bufferSize)); err != nil {
			return err
		}
		if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("stat of an unfinished file: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{dir, filepath.Join(dir, "missing", "a")} {
		err := Write(name, content("x"))
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("write to %s: %v, want an error with the name", name, err)
		}
	}
	holds(t, dir, nil)
}

func TestLink(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "b"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "a")
	if err := os.Symlink(filepath.Join(other, "b"), name); err != nil {
		t.Fatal(err)
	}
	if err := Write(name, content("new")); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(name); err != nil || target != filepath.Join(other, "b") {
		t.Errorf("the link goes to %q (%v)", target, err)
	}
	holds(t, other, map[string]string{"b": "new"})
}

func TestMode(t *testing.T) {
	umask := syscall.Umask(0o027)
	defer syscall.Umask(umask)
	name := filepath.Join(t.TempDir(), "a")
	for i, want := range []os.FileMode{0o640, 0o604} {
		if i == 1 {
			if err := os.Chmod(name, want); err != nil {
				t.Fatal(err)
			}
		}
		if err := Write(name, content("x")); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("mode %v, want %v", info.Mode(), want)
		}
	}
}

func TestPipe(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Skip(err)
	}
	read := make(chan []byte)
	go func() {
		text, _ := os.ReadFile(name)
		read <- text
	}()
	if err := Write(name, content("through")); err != nil {
		t.Fatal(err)
	}
	if text := <-read; !bytes.Equal(text, []byte("through")) {
		t.Errorf("the pipe gave %q", text)
	}
	if info, err := os.Stat(name); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is now %v (%v)", info, err)
	}
}
