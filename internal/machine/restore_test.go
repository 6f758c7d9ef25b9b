package machine

import (
	"bytes"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/ir"
)

func TestSetStacksRefuses(t *testing.T) {
	layout := []ir.Cell{0, 1}
	m := New(layout)
	m.Set(1, 77)
	before := m.Encode()
	good := m.EncodeThread()
	flag := bytes.Clone(good)
	flag[9] = 2
	zero := bytes.Clone(good)
	zero[17] = 3
	for want, stacks := range map[string][2][][]byte{
		"the left one, is empty":                        {nil, {good}},
		"thread 1 of the left stack has 25 bytes":       {{good, good[1:]}, nil},
		"thread 0 of the right stack has 27 bytes":      {{good}, {append(good, 0)}},
		"exited flag of thread 0 of the right stack is": {{good}, {flag}},
		"register 0 of thread 1 of the left stack is":   {{good, zero}, nil},
	} {
		if err := m.SetStacks(stacks); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if !bytes.Equal(m.Encode(), before) {
			t.Errorf("%s: the machine changed", want)
		}
	}
}

func TestSetScalarsRefuses(t *testing.T) {
	m := New(nil)
	m.Set(ir.Heap, 5)
	m.Key[0] = 1
	before := m.Encode()
	state := bytes.Repeat([]byte{1}, StateSize)
	state[exitedOffset] = 2
	for want, state := range map[string][]byte{"188 bytes": state[1:], "flag exited": state} {
		if err := m.SetScalars(state); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if !bytes.Equal(m.Encode(), before) {
			t.Errorf("%s: the machine changed", want)
		}
	}
	state[exitedOffset] = 1
	if err := m.SetScalars(state); err != nil {
		t.Fatal(err)
	}
	if exited, code := StateExited(m.Encode()); !exited || code != 1 || StateStep(m.Encode()) != 0x0101010101010101 {
		t.Errorf("exited %v with code %d at step %#x", exited, code, StateStep(m.Encode()))
	}
}
