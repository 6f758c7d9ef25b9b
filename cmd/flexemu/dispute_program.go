package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/spf13/pflag"

	"github.com/flexemu/flexemu"
	"github.com/flexemu/flexemu/internal/dispute/eth"
	"github.com/flexemu/flexemu/internal/dispute/prover"
	"github.com/flexemu/flexemu/internal/preimage"
	"github.com/flexemu/flexemu/internal/verifier"
)

// contractOf names the contract of an instruction set.
func contractOf(isa string) (string, error) {
	i, err := flexemu.FindISA(isa)
	if err != nil {
		return "", err
	}
	return verifier.ContractName(i), nil
}

// programFlags say of which program a task is about the run, and what it reads.
type programFlags struct {
	guestFlags
	inputs []string
	cache  string
}

func (f *programFlags) add(flags *pflag.FlagSet) {
	f.guestFlags.add(flags, false)
	flags.StringArrayVar(&f.inputs, "input", nil, "commit to the local pre-image `N=HEX`, at most 32 bytes (repeatable); those in --preimages count, too")
	flags.StringVar(&f.cache, "cache", "", "keep histories in `DIR`; - for nowhere (default: flexemu in the user's cache directory)")
}

// folder is where histories are kept.
func (f *programFlags) folder() (string, error) {
	switch f.cache {
	case standard:
		return "", nil
	case "":
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("--cache: %w", err)
		}
		return filepath.Join(dir, "flexemu", "histories"), nil
	}
	return f.cache, nil
}

// locals are local pre-images by their identifier.
type locals map[uint64][]byte

// collect takes those of the flags and of the folder of pre-images.
func (f *programFlags) collect() (locals, error) {
	all := locals{}
	if f.preimages != "" {
		if err := all.read(f.preimages); err != nil {
			return nil, err
		}
	}
	for _, text := range f.inputs {
		id, digits, found := strings.Cut(text, "=")
		n, err := strconv.ParseUint(id, 0, 64)
		data, failed := hex.DecodeString(strings.TrimPrefix(digits, "0x"))
		if !found || err != nil || failed != nil {
			return nil, fmt.Errorf("--input %s: it is not of the form N=HEX", text)
		}
		all[n] = data
	}
	for n, data := range all {
		if len(data) > preimage.MaxLocal {
			return nil, fmt.Errorf("local pre-image %d has %d bytes; at most %d are possible", n, len(data), preimage.MaxLocal)
		}
	}
	return all, nil
}

// read takes those in a folder: its other pre-images have hashes as their keys, and nothing to commit to.
func (l locals) read(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("pre-images: %w", err)
	}
	for _, file := range files {
		key, err := hex.DecodeString(strings.TrimPrefix(file.Name(), "0x"))
		if err != nil || len(key) != 32 || key[0] != preimage.Local || [23]byte(key[1:24]) != [23]byte{} {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			return fmt.Errorf("pre-images: %w", err)
		}
		l[binary.BigEndian.Uint64(key[24:])] = data
	}
	return nil
}

// list is the list that a task commits to.
func (l locals) list() []eth.Input {
	var list []eth.Input
	for n, data := range l {
		list = append(list, eth.Input{Ident: new(big.Int).SetUint64(n), Hash: crypto.Keccak256Hash(data)})
	}
	slices.SortFunc(list, func(a, b eth.Input) int { return cmp.Compare(a.Ident.Uint64(), b.Ident.Uint64()) })
	return list
}

// A committed source gives local pre-images from what a task commits to, and all others from another source.
type committed struct {
	source
	locals locals
}

func (c committed) Preimage(key [32]byte) ([]byte, error) {
	if key[0] != preimage.Local {
		return c.source.Preimage(key)
	}
	data, ok := c.locals[binary.BigEndian.Uint64(key[24:])]
	if !ok || [23]byte(key[1:24]) != [23]byte{} {
		return nil, fmt.Errorf("the program asks for the local pre-image %#x, which the task does not commit to (--input)", key)
	}
	return data, nil
}

// machine loads the program. What it prints goes to stdout and stderr.
func (f *programFlags) machine(ctx context.Context, args []string, stdout, stderr io.Writer, log *slog.Logger) (*prover.Machine, func(), error) {
	if len(args) == 0 {
		return nil, nil, errors.New("which program? PROGRAM is missing")
	}
	folder, err := f.folder()
	if err != nil {
		return nil, nil, err
	}
	local, err := f.collect()
	if err != nil {
		return nil, nil, err
	}
	g, err := f.open(ctx, args, stdout, stderr)
	if err != nil {
		return nil, nil, err
	}
	g.host.source = committed{g.host.source, local}
	m, err := prover.New(g.Run, prover.Options{Folder: folder, Inputs: local.list(), Log: log})
	if err != nil {
		g.close()
		return nil, nil, err
	}
	return m, g.close, nil
}
