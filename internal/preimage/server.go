package preimage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// ServerOptions say how a server is treated. The zero value is of use.
type ServerOptions struct {
	Locals Locals
	// Check, if not nil, looks at pre-images instead of the function Check; then keys of all types are asked for.
	Check func(key [32]byte, data []byte) error
	// Together keeps the server in the process group of the caller: what is sent to that group gets to the server, too.
	// Without it the server has a group of its own, and a terminal's Ctrl-C is kept from it.
	Together bool
	// Output gets what the server writes to its stdout and stderr; nil drops it.
	Output io.Writer
	// Errors, if not nil, gets what the server writes to its stderr.
	Errors io.Writer
	// Timeout is how long the server may be silent when something is expected of it: 0 stands for 15 s, a negative
	// one for as long as it lives (a server that fetches from a slow node needs that).
	Timeout time.Duration
	// Grace is how long Close waits for the server to end by itself, and again after an interrupt; 0 stands for 30 s.
	Grace time.Duration
	// MaxLength is the length in bytes of the longest pre-image; 0 stands for DefaultMaxLength.
	MaxLength uint64
}

const (
	defaultTimeout = 15 * time.Second
	defaultGrace   = 30 * time.Second
	// statusWait is how long an error waits for the exit status of a server that has closed its pipes.
	statusWait = 2 * outputWait
	// outputWait is how long the server's children may keep writing to its output after its end.
	outputWait = time.Second
	// pieceSize bounds what is sent, received and allocated at a time, in bytes.
	pieceSize = 1 << 16
)

// A Server is a process that answers requests for pre-images and hints, as op-program's server does. It reads hints
// from its descriptor 3, each with its length before it as 4 bytes, and answers each with a byte on 4; it
// reads keys of 32 bytes from 5 and answers each on 6 with the length of the data as 8 bytes and the data. Numbers
// are big-endian.
//
// The methods may be called by several goroutines; requests are sent one after the other. After a server has
// died, was silent for too long, or has broken the protocol, every request fails with the same error. One that gives
// wrong data may be asked again.
type Server struct {
	name    string
	options ServerOptions
	ctx     context.Context // done when the caller's is, or by Close
	cancel  context.CancelCauseFunc
	cmd     *exec.Cmd
	hint    channel
	data    channel

	ended chan struct{} // closed when the process has ended
	wait  error         // of the process, when it has ended

	mu     sync.Mutex
	failed error // of every request from now on
	midway bool  // and the server is in the middle of one: it would not notice that its pipes are closed
	closed sync.Once
	result error // of Close
}

// A channel is the parent's ends of two pipes.
type channel struct{ in, out *os.File }

// StartServer starts the command (a program, found as a shell does, and its arguments) with its environment, before
// which NO_COLOR=1 is put. When ctx is done requests fail; Close must be called in any case.
func StartServer(ctx context.Context, command []string, o ServerOptions) (*Server, error) {
	if len(command) == 0 {
		return nil, errors.New("pre-image server: there is no command")
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("pre-image server %s: start: %w", command[0], context.Cause(ctx))
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.MaxLength == 0 {
		o.MaxLength = DefaultMaxLength
	}
	s := &Server{name: command[0], options: o, ended: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.cmd = exec.Command(command[0], command[1:]...)
	s.cmd.Env = append([]string{"NO_COLOR=1"}, os.Environ()...)
	s.cmd.Stdout, s.cmd.Stderr = o.Output, o.Output
	if o.Errors != nil {
		s.cmd.Stderr = o.Errors
	}
	s.cmd.WaitDelay = outputWait
	if !o.Together {
		separate(s.cmd)
	}
	if err := s.start(); err != nil {
		s.cancel(nil)
		s.closePipes()
		return nil, fmt.Errorf("pre-image server %s: start: %w", s.name, err)
	}
	go func() {
		s.wait = s.cmd.Wait()
		close(s.ended)
	}()
	context.AfterFunc(s.ctx, s.wake)
	return s, nil
}

// start makes the pipes and the process.
func (s *Server) start() error {
	var theirs []*os.File
	defer func() {
		// Only when the server alone holds its ends does its death show as an end of file.
		for _, f := range theirs {
			f.Close()
		}
	}()
	for _, c := range []*channel{&s.hint, &s.data} {
		in, out, err := os.Pipe()
		if err != nil {
			return err
		}
		theirs, c.out = append(theirs, in), out
		if in, out, err = os.Pipe(); err != nil {
			return err
		}
		theirs, c.in = append(theirs, out), in
	}
	s.cmd.ExtraFiles = theirs
	return s.cmd.Start()
}

func (s *Server) files() []*os.File { return []*os.File{s.hint.in, s.hint.out, s.data.in, s.data.out} }

func (s *Server) closePipes() {
	for _, f := range s.files() {
		if f != nil {
			f.Close()
		}
	}
}

// wake ends what waits for the server.
func (s *Server) wake() {
	for _, f := range s.files() {
		f.SetDeadline(time.Unix(1, 0))
	}
}

// Preimage asks the server for the data of a key and checks them.
func (s *Server) Preimage(key [32]byte) ([]byte, error) {
	check := s.options.Check
	if check == nil {
		if err := checkType(key); err != nil {
			return nil, err
		}
		check = func(key [32]byte, data []byte) error { return Check(key, data, s.options.Locals) }
	}
	data, err := s.fetch(key)
	if err != nil {
		return nil, err
	}
	if err := check(key, data); err != nil {
		return nil, fmt.Errorf("pre-image server %s: %w", s.name, err)
	}
	return data, nil
}

func (s *Server) fetch(key [32]byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return nil, s.failed
	}
	if err := s.send(s.data.out, key[:]); err != nil {
		return nil, s.fail(err, "taking the key %#x", key)
	}
	var prefix [8]byte
	if err := s.receive(s.data.in, prefix[:]); err != nil {
		return nil, s.fail(err, "giving the length of the pre-image %#x", key)
	}
	length := binary.BigEndian.Uint64(prefix[:])
	if length > s.options.MaxLength {
		return nil, s.fail(fmt.Errorf("it says %d, expected at most %d", length, s.options.MaxLength), "giving the length of the pre-image %#x", key)
	}
	// Memory is asked for as the data come: the length may be a lie.
	data := []byte{}
	for uint64(len(data)) < length {
		n := min(length-uint64(len(data)), max(pieceSize, uint64(len(data))))
		data = append(data, make([]byte, n)...)
		if err := s.receive(s.data.in, data[uint64(len(data))-n:]); err != nil {
			return nil, s.fail(err, "giving the pre-image %#x of %d bytes", key, length)
		}
	}
	return data, nil
}

// Hint passes a hint on and waits until the server has answered it.
func (s *Server) Hint(hint []byte) error {
	if uint64(len(hint)) > math.MaxUint32 {
		return fmt.Errorf("pre-image server %s: a hint of %d bytes, more than the protocol can say", s.name, len(hint))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	message := binary.BigEndian.AppendUint32(nil, uint32(len(hint)))
	if err := s.send(s.hint.out, append(message, hint...)); err != nil {
		return s.fail(err, "taking the hint %s", shown(hint))
	}
	var answer [1]byte
	if err := s.receive(s.hint.in, answer[:]); err != nil {
		return s.fail(err, "answering the hint %s", shown(hint))
	}
	return nil
}

// shown is a hint as errors show it.
func shown(hint []byte) string {
	const most = 80
	if len(hint) > most {
		return fmt.Sprintf("%q… of %d bytes", hint[:most], len(hint))
	}
	return fmt.Sprintf("%q", hint)
}

func (s *Server) send(f *os.File, p []byte) error {
	return s.patiently(p, f.SetWriteDeadline, f.Write)
}

// receive reads all of p.
func (s *Server) receive(f *os.File, p []byte) error {
	return s.patiently(p, f.SetReadDeadline, f.Read)
}

// patiently has all of p read or written by move. The server's time begins anew with every byte.
func (s *Server) patiently(p []byte, deadline func(time.Time) error, move func([]byte) (int, error)) error {
	patience := s.options.Timeout
	if patience < 0 {
		patience = defaultTimeout // and then we look whether it lives
	}
	for len(p) > 0 {
		if err := deadline(time.Now().Add(patience)); err != nil {
			return err
		}
		// After the deadline was set, so that wake comes either before this or after the deadline.
		if s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
		n, err := move(p[:min(len(p), pieceSize)])
		p = p[n:]
		switch {
		case err == nil || n > 0:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case s.ctx.Err() != nil:
			return context.Cause(s.ctx)
		case s.options.Timeout < 0 && s.alive():
		default:
			return fmt.Errorf("nothing happened for %v", patience)
		}
	}
	return nil
}

// Ended tells whether the process has ended.
func (s *Server) Ended() bool { return !s.alive() }

func (s *Server) alive() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// fail makes the error of a request and of all that follow.
func (s *Server) fail(err error, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	s.midway = true
	if s.ctx.Err() != nil {
		s.failed = fmt.Errorf("pre-image server %s: stopped while it was %s: %w", s.name, doing, context.Cause(s.ctx))
		return s.failed
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) {
		// Its ends are closed, so it has most likely ended. Its status is what the reader wants to know.
		s.endsWithin(statusWait)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	s.failed = fmt.Errorf("pre-image server %s: while it was %s: %w (%s)", s.name, doing, err, s.status())
	return s.failed
}

// status says how the process is.
func (s *Server) status() string {
	if s.alive() {
		return "the server is still running"
	}
	return fmt.Sprintf("the server has ended: %v", s.cmd.ProcessState)
}

// errClosed is why requests fail after Close.
var errClosed = errors.New("it was closed")

// Close ends the server: it closes the pipes and waits for it; then it interrupts it and waits again; then it kills
// it. A server that has failed or was stopped in the middle of a request is interrupted at once. Requests that are under way fail. The error
// says how the server ended if that was not well; what it gave is no worse for that. Close may be called again.
func (s *Server) Close() error {
	s.closed.Do(func() {
		s.cancel(errClosed)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.failed == nil {
			s.failed = fmt.Errorf("pre-image server %s: %w", s.name, errClosed)
		}
		s.closePipes()
		s.result = s.end()
	})
	return s.result
}

func (s *Server) end() error {
	if !s.midway && s.endsWithin(s.options.Grace) {
		if s.wait != nil && !errors.Is(s.wait, exec.ErrWaitDelay) {
			return fmt.Errorf("pre-image server %s: when its pipes were closed: %w", s.name, s.wait)
		}
		return nil
	}
	if s.alive() {
		interrupt(s.cmd, s.options.Together)
	}
	switch {
	case !s.endsWithin(s.options.Grace):
		kill(s.cmd, s.options.Together)
		<-s.ended
		return fmt.Errorf("pre-image server %s: it did not end when its pipes were closed and it was interrupted, and was killed", s.name)
	case s.midway:
		return nil // the error of the request has said it
	}
	return fmt.Errorf("pre-image server %s: it did not end when its pipes were closed, and was interrupted (%v)", s.name, s.cmd.ProcessState)
}

func (s *Server) endsWithin(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.ended:
		return true
	case <-t.C:
		return false
	}
}
