package cannon

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/preimage"
)

// vmPanic makes the error of what Cannon panics at.
func vmPanic(format string, args ...any) error {
	return fmt.Errorf("%w: %s", bare.ErrPanic, fmt.Sprintf(format, args...))
}

// IsPanic tells whether an error is about what Cannon panics at; op-challenger knows that by an exit code.
func IsPanic(err error) bool { return errors.Is(err, bare.ErrPanic) }

// A host answers the machine, and counts as Cannon does.
type host struct {
	ctx            context.Context
	server         *preimage.Server // nil: none
	stdout, stderr io.Writer
	requests       int // changes of the key that were followed by a read
	size           int // bytes of all pre-images that came
	asked, dead    bool
}

// errWrongData is wrapped by errors about a server that gives something else than the key says.
var errWrongData = errors.New("wrong pre-image")

// begin notes at the first request whether the server had ended before: that is no panic in Cannon, but an error.
func (h *host) begin() {
	if !h.asked {
		h.asked, h.dead = true, h.server.Ended()
	}
}

// check looks at what can be checked. Elements of blobs, results of precompiled contracts and local data are taken as
// they come: the oracle on chain finds out.
func check(key [32]byte, data []byte) error {
	switch key[0] {
	case preimage.Keccak256, preimage.SHA256:
		if err := preimage.Check(key, data, nil); err != nil {
			return fmt.Errorf("%w: %w", errWrongData, err)
		}
	}
	return nil
}

// Preimage implements bare.Host.
func (h *host) Preimage(key [32]byte) ([]byte, error) {
	h.requests++
	if h.server == nil {
		return nil, vmPanic("the guest asked for the pre-image %#x, and there is no pre-image server", key)
	}
	h.begin()
	data, err := h.server.Preimage(key)
	if err != nil {
		return nil, h.failed(err)
	}
	h.size += len(data)
	return data, nil
}

// Hint implements bare.Host.
func (h *host) Hint(hint []byte) error {
	if h.server == nil {
		return nil
	}
	h.begin()
	if err := h.server.Hint(hint); err != nil {
		return h.failed(err)
	}
	return nil
}

// failed makes a server that does not answer a panic, as it is in Cannon.
func (h *host) failed(err error) error {
	if errors.Is(err, errWrongData) || h.dead || h.ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", bare.ErrPanic, err)
}

// Output implements bare.Host.
func (h *host) Output(fd int, p []byte) error {
	w := h.stdout
	if fd == 2 {
		w = h.stderr
	}
	_, err := w.Write(p)
	return err
}
