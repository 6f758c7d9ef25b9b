package preimage

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestKeys(t *testing.T) {
	if got, want := Local(0x1234).String(), "01"+strings.Repeat("0", 58)+"1234"; got != want {
		t.Errorf("local key %s, want %s", got, want)
	}
	if got, want := Keccak256([32]byte{0xff, 0xee}).String(), "02ee"+strings.Repeat("0", 60); got != want {
		t.Errorf("keccak key %s, want %s", got, want)
	}
}

// TestProtocol has the bytes of both channels as the specification gives them.
func TestProtocol(t *testing.T) {
	var keys, hints bytes.Buffer
	answers := append([]byte{0, 0, 0, 0, 0, 0, 0, 11}, "hello world"...)
	// A reader of single bytes, and nothing behind the data: a read past it would fail.
	c := NewClient(iotest.OneByteReader(bytes.NewReader(answers)), &keys, bytes.NewReader([]byte{0}), &hints)
	data, err := c.Get(Local(7))
	if err != nil || string(data) != "hello world" {
		t.Errorf("Get: %q, %v", data, err)
	}
	if key := Local(7); !bytes.Equal(keys.Bytes(), key[:]) {
		t.Errorf("Get wrote %x", keys.Bytes())
	}
	if err := c.Hint("abc"); err != nil || hints.String() != "\x00\x00\x00\x03abc" {
		t.Errorf("Hint: wrote %q, %v", &hints, err)
	}
}

func TestGetErrors(t *testing.T) {
	for name, answer := range map[string][]byte{
		"no answer":    nil,
		"short length": {0, 0, 0},
		"short data":   {0, 0, 0, 0, 0, 0, 0, 9, 'x'},
		"huge length":  {0xff, 0, 0, 0, 0, 0, 0, 0, 1},
	} {
		c := NewClient(bytes.NewReader(answer), io.Discard, nil, nil)
		if _, err := c.Get(Local(1)); err == nil || !strings.Contains(err.Error(), Local(1).String()) {
			t.Errorf("%s: error %v, want one with the key", name, err)
		}
	}
}

func TestFolderAndMap(t *testing.T) {
	want := map[[32]byte][]byte{Local(1): []byte("one"), Local(2): nil, Keccak256([32]byte{1, 2}): make([]byte, 5000)}
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if err := WriteFolder(dir, want); err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]Source{"folder": Folder(dir), "map": Map(want)} {
		for key, data := range want {
			if got, err := source(key); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %v: %d bytes, %v; want %d", name, Key(key), len(got), err, len(data))
			}
		}
		if _, err := source(Local(3)); err == nil {
			t.Errorf("%s: no error for a key that is not there", name)
		}
	}
}

// TestMain plays the guest for TestConnect when the environment says so.
func TestMain(m *testing.M) {
	mode := os.Getenv("PREIMAGE_TEST_GUEST")
	if mode == "" {
		os.Exit(m.Run())
	}
	c := Open()
	for _, id := range []uint64{1, 2} {
		if err := c.Hint("want " + Local(id).String()); err != nil {
			panic(err)
		}
		data, err := c.Get(Local(id))
		if err != nil {
			os.Exit(3)
		}
		os.Stdout.Write(data)
	}
	os.Exit(0)
}

func TestConnect(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<14) // more than a pipe holds
	preimages := map[[32]byte][]byte{Local(1): []byte("one"), Local(2): large}
	guest := func() (out bytes.Buffer, hints []string, err error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "PREIMAGE_TEST_GUEST=1")
		cmd.Stdout = &out
		err = Connect(cmd, Map(preimages), func(hint string) { hints = append(hints, hint) })
		return out, hints, err
	}
	out, hints, err := guest()
	if err != nil || out.String() != "one"+string(large) {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
	if want := []string{"want " + Local(1).String(), "want " + Local(2).String()}; !slices.Equal(hints, want) {
		t.Errorf("hints %q, want %q", hints, want)
	}
	delete(preimages, Local(2))
	_, _, err = guest()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(err.Error(), Local(2).String()) {
		t.Errorf("without a pre-image: %v, want exit code 3 and the key", err)
	}
	if err := Connect(exec.Command(filepath.Join(t.TempDir(), "none")), Map(nil), nil); err == nil {
		t.Error("no error for a program that is not there")
	}
}
