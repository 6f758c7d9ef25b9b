package preimage

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/crypto/sha3"

	"github.com/flexemu/flexemu/internal/kernel/bare"
)

// What bare.Host asks for beside output.
type oracle interface {
	Preimage(key [32]byte) ([]byte, error)
	Hint(hint []byte) error
}

var (
	_ oracle = None{}
	_ oracle = (*Folder)(nil)
	_ oracle = (*Server)(nil)
	_ oracle = bare.Host(nil)
)

func keccak(data []byte) (h [32]byte) {
	d := sha3.NewLegacyKeccak256()
	d.Write(data)
	d.Sum(h[:0])
	return h
}

func keccakKey(data []byte) [32]byte {
	h := keccak(data)
	h[0] = 2
	return h
}

func shaKey(data []byte) [32]byte {
	h := sha256.Sum256(data)
	h[0] = 4
	return h
}

func localKey(id uint64) (key [32]byte) {
	key[0] = 1
	binary.BigEndian.PutUint64(key[24:], id)
	return key
}

// refused fails unless the error says all of that.
func refused(t *testing.T, err error, says ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one that says %q", says)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
}

func TestCheck(t *testing.T) {
	data := []byte("some data")
	// Published digests: keccak-256 and sha-256 of nothing.
	emptyKeccak, _ := hex.DecodeString("02d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")
	emptySHA, _ := hex.DecodeString("04b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	locals := Locals{1: keccak([]byte("one")), 2: keccak(make([]byte, 32))}
	odd := localKey(1)
	odd[5] = 1
	typed := func(n byte) [32]byte { return [32]byte{n, 31: 7} }
	for _, c := range []struct {
		what   string
		key    [32]byte
		data   []byte
		locals Locals
		says   string // "" if accepted
	}{
		{"keccak", keccakKey(data), data, nil, ""},
		{"keccak of nothing", [32]byte(emptyKeccak), nil, nil, ""},
		{"other keccak", keccakKey(data), data[1:], nil, "the keccak-256 of the 8 bytes given is 0x"},
		{"sha", shaKey(data), data, nil, ""},
		{"sha of nothing", [32]byte(emptySHA), nil, nil, ""},
		{"other sha", shaKey(data), nil, nil, "the sha-256 of the 0 bytes given is 0x"},
		{"sha for keccak", shaKey(data), []byte("x"), locals, "sha-256"},
		{"local", localKey(9), data, nil, ""},
		{"long local", localKey(9), make([]byte, 33), nil, "local data of 33 bytes; the contract takes at most 32"},
		{"committed local", localKey(1), []byte("one"), locals, ""},
		{"longest committed local", localKey(2), make([]byte, 32), locals, ""},
		{"other local", localKey(1), []byte("two"), locals, "the input commitment has 0x"},
		{"unknown local", localKey(3), []byte("one"), locals, "the input commitment has no such local data"},
		{"long identifier", odd, []byte("one"), locals, "the input commitment has no such local data"},
		{"empty commitment", localKey(1), []byte("one"), Locals{}, "the input commitment has no such local data"},
		{"type 0", typed(0), data, nil, "type 0 are unknown"},
		{"type 3", typed(3), data, nil, "type 3 are unknown"},
		{"blob", typed(5), data, nil, "type 5) are not supported yet"},
		{"precompile", typed(6), data, nil, "type 6) are not supported yet"},
		{"type 7", typed(7), data, nil, "type 7 are unknown"},
		{"type 255", typed(255), data, nil, "type 255 are unknown"},
	} {
		t.Run(c.what, func(t *testing.T) {
			err := Check(c.key, c.data, c.locals)
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, err, c.says, "0x"+hex.EncodeToString(c.key[:]))
		})
	}
}

func TestNone(t *testing.T) {
	key := keccakKey(nil)
	_, err := None{}.Preimage(key)
	refused(t, err, "0x"+hex.EncodeToString(key[:]), "--preimages", "--preimage-server")
	if err := (None{}).Hint([]byte("x")); err != nil {
		t.Error(err)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	name := func(key [32]byte) string { return hex.EncodeToString(key[:]) }
	data := func(s string) []byte { return []byte(s) }
	put(name(keccakKey(data("plain"))), data("plain"))
	put("0x"+name(shaKey(data("prefixed"))), data("prefixed"))
	put(name(keccakKey(nil)), nil)
	put(name(localKey(1)), data("one"))
	put(name(localKey(2)), data("two"))
	put(name(keccakKey(data("wrong"))), data("something else"))
	put(strings.ToUpper(name(keccakKey(data("upper")))), data("upper"))
	put(name(keccakKey(data("suffix")))+".txt", data("suffix"))
	put(name([32]byte{5}), data("blob"))
	if err := os.Mkdir(filepath.Join(dir, name(keccakKey(data("directory")))), 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := OpenFolder(dir, Locals{1: keccak(data("one")), 2: keccak(data("three"))})
	if err != nil {
		t.Fatal(err)
	}
	for want, key := range map[string][32]byte{
		"plain": keccakKey(data("plain")), "prefixed": shaKey(data("prefixed")), "": keccakKey(nil), "one": localKey(1),
	} {
		got, err := d.Preimage(key)
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", want, got, err)
		}
	}
	for _, c := range []struct {
		key  [32]byte
		says string
	}{
		{keccakKey(data("wrong")), "keccak-256 of the 14 bytes given"},
		{localKey(2), "the input commitment has 0x"},
		{keccakKey(data("directory")), "not a regular file"},
		{[32]byte{5}, "not supported yet"},
	} {
		_, err := d.Preimage(c.key)
		refused(t, err, c.says, "0x"+name(c.key))
	}
	for _, missing := range []string{"upper", "suffix", "nothing"} {
		key := keccakKey(data(missing))
		_, err := d.Preimage(key)
		refused(t, err, "no file of that name in "+dir, "0x"+name(key))
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v is not fs.ErrNotExist", err)
		}
	}
	if err := d.Hint(data("x")); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{filepath.Join(dir, "missing"), filepath.Join(dir, name(localKey(1)))} {
		_, err := OpenFolder(bad, nil)
		refused(t, err, bad)
	}
}

func TestCommandLine(t *testing.T) {
	for line, want := range map[string][]string{
		"op-program --server":            {"op-program", "--server"},
		"  a\tb\n c ":                    {"a", "b", "c"},
		`a 'b  c' "d  e"`:                {"a", "b  c", "d  e"},
		`a '' ""`:                        {"a", "", ""},
		`--k='v w'x"y z"`:                {"--k=v wxy z"},
		`a\ b \'c \\`:                    {"a b", "'c", `\`},
		`'a\' "b\"\\\n"`:                 {`a\`, `b"\\n`},
		`"it's" 'so "called"'`:           {"it's", `so "called"`},
		`$HOME *.go ~ a;b | c > d # ü 日`: {"$HOME", "*.go", "~", "a;b", "|", "c", ">", "d", "#", "ü", "日"},
	} {
		got, err := CommandLine(line)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v; want %q", line, got, err, want)
		}
	}
	for line, says := range map[string]string{
		"": "no command", " \t": "no command", "a 'b": "the quote ' is not closed", `a "b\"`: `the quote " is not closed`,
		`a \`: "nothing follows",
	} {
		_, err := CommandLine(line)
		refused(t, err, says)
	}
}
