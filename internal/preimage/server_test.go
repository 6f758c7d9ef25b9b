//go:build unix

package preimage

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test binary is also the server, when its first argument is this.
const serveArgument = "serve-for-a-test"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == serveArgument {
		os.Exit(serve(os.Args[2]))
	}
	os.Exit(m.Run())
}

// long is data of several pieces.
var long = bytes.Repeat([]byte("0123456789abcdef"), 20_000)

// known is what the server has.
func known() map[[32]byte][]byte {
	return map[[32]byte][]byte{
		keccakKey(long):           long,
		keccakKey(nil):            {},
		shaKey([]byte("short")):   []byte("short"),
		localKey(1):               []byte("input"),
		localKey(2):               make([]byte, 33),
		keccakKey([]byte("lies")): []byte("lied"),
	}
}

// serve is a server with the named manners. It gives the exit code.
func serve(manners string) int {
	hintIn, hintOut := os.NewFile(3, "hint in"), os.NewFile(4, "hint out")
	in, out := os.NewFile(5, "in"), os.NewFile(6, "out")
	key := make([]byte, 32)
	switch manners {
	case "ends at once":
		return 3
	case "hangs":
		io.ReadFull(in, key)
		time.Sleep(time.Hour)
	case "deaf": // reads nothing
		time.Sleep(time.Hour)
	case "stubborn":
		signal.Ignore(syscall.SIGINT)
		os.Stderr.WriteString("ready\n")
		time.Sleep(time.Hour)
	case "interruptible":
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGINT)
		os.Stderr.WriteString("ready\n")
		<-c
		return 5
	case "dies in the length":
		io.ReadFull(in, key)
		out.Write([]byte{0, 0, 0, 0, 0})
		return 7
	case "dies in the data":
		io.ReadFull(in, key)
		out.Write(binary.BigEndian.AppendUint64(nil, 10))
		out.Write([]byte("12345"))
		return 8
	case "is killed":
		io.ReadFull(in, key)
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "boasts":
		io.ReadFull(in, key)
		out.Write(binary.BigEndian.AppendUint64(nil, 1<<63))
		io.ReadFull(in, key)
	case "boasts less":
		io.ReadFull(in, key)
		out.Write(binary.BigEndian.AppendUint64(nil, 1<<30))
		return 0
	case "leaves a child with its pipes":
		child := exec.Command("sleep", "5")
		child.ExtraFiles = []*os.File{hintIn, hintOut, in, out}
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		child.Start()
		return 9
	case "fails in the end":
		io.Copy(io.Discard, in)
		return 4
	case "slow":
		io.ReadFull(in, key)
		answer := binary.BigEndian.AppendUint64(nil, 5)
		for _, b := range append(answer, "short"...) {
			time.Sleep(50 * time.Millisecond)
			out.Write([]byte{b})
		}
	}
	go serveHints(manners, hintIn, hintOut)
	for {
		if _, err := io.ReadFull(in, key); err != nil {
			return 0
		}
		data := known()[[32]byte(key)]
		out.Write(append(binary.BigEndian.AppendUint64(nil, uint64(len(data))), data...))
	}
}

func serveHints(manners string, in io.Reader, out io.Writer) {
	var prefix [4]byte
	for {
		if _, err := io.ReadFull(in, prefix[:]); err != nil {
			return
		}
		hint := make([]byte, binary.BigEndian.Uint32(prefix[:]))
		io.ReadFull(in, hint)
		os.Stderr.WriteString("[" + string(hint) + "]")
		if manners == "dies of hints" {
			os.Exit(6)
		}
		if manners != "ignores hints" {
			out.Write([]byte{0})
		}
	}
}

// lines is an output that can be waited for.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) wait(t *testing.T, text string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(l.String(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the server did not say %q", text)
}

func start(t *testing.T, ctx context.Context, manners string, o ServerOptions) *Server {
	t.Helper()
	s, err := StartServer(ctx, []string{os.Args[0], serveArgument, manners}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A host whose processors are busy must not fail the tests: what is to succeed has this long.
const ample = time.Minute

func TestServer(t *testing.T) {
	var output lines
	s := start(t, t.Context(), "good", ServerOptions{Output: &output, Timeout: ample})
	for range 2 {
		for key, want := range known() {
			if key == localKey(2) || key == keccakKey([]byte("lies")) {
				continue
			}
			got, err := s.Preimage(key)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%x: %d bytes, %v; want %d", key, len(got), err, len(want))
			}
		}
		for _, hint := range []string{"l1-block-header 0x12", "", strings.Repeat("long", 40_000)} {
			if err := s.Hint([]byte(hint)); err != nil {
				t.Error(err)
			}
			output.wait(t, "["+hint+"]")
		}
		// Wrong data are an error, and no reason to stop.
		_, err := s.Preimage(keccakKey([]byte("lies")))
		refused(t, err, "keccak-256 of the 4 bytes given", "0x02", os.Args[0])
		_, err = s.Preimage(localKey(2))
		refused(t, err, "local data of 33 bytes")
		_, err = s.Preimage([32]byte{6})
		refused(t, err, "not supported yet")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_, err := s.Preimage(localKey(1))
	refused(t, err, "it was closed")
	refused(t, s.Hint(nil), "it was closed")
}

func TestServerChecksLocals(t *testing.T) {
	s := start(t, t.Context(), "good", ServerOptions{Timeout: ample, Locals: Locals{1: keccak([]byte("other"))}})
	_, err := s.Preimage(localKey(1))
	refused(t, err, "the input commitment has")
}

// Whatever goes wrong is noticed, says what the server was at and how it ended, and stays.
func TestServerFails(t *testing.T) {
	key := keccakKey(long)
	digits := "0x" + hex.EncodeToString(key[:])
	for _, c := range []struct {
		manners string
		timeout time.Duration
		says    []string
	}{
		{"ends at once", ample, []string{digits, "exit status 3"}},
		{"hangs", 200 * time.Millisecond, []string{"giving the length of the pre-image " + digits, "nothing happened for 200ms", "still running"}},
		{"deaf", 200 * time.Millisecond, []string{"nothing happened", "still running"}},
		{"dies in the length", ample, []string{"giving the length of the pre-image " + digits, "unexpected EOF", "exit status 7"}},
		{"dies in the data", ample, []string{"giving the pre-image " + digits + " of 10 bytes", "unexpected EOF", "exit status 8"}},
		{"is killed", ample, []string{"giving the length", "signal: killed"}},
		{"boasts", ample, []string{"giving the length", "it says 9223372036854775808, expected at most 1073741824"}},
		{"boasts less", ample, []string{"giving the pre-image " + digits + " of 1073741824 bytes", "exit status 0"}},
		{"leaves a child with its pipes", 2 * time.Second, []string{"nothing happened", "exit status 9"}},
	} {
		t.Run(c.manners, func(t *testing.T) {
			t.Parallel()
			s := start(t, t.Context(), c.manners, ServerOptions{Timeout: c.timeout})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := s.Preimage(key)
			runtime.ReadMemStats(&after)
			refused(t, err, append(c.says, os.Args[0])...)
			if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
				t.Errorf("%d bytes allocated", n)
			}
			if _, again := s.Preimage(localKey(1)); again != err {
				t.Errorf("then %v", again)
			}
			if again := s.Hint(nil); again != err {
				t.Errorf("then %v", again)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestServerFailsAtHints(t *testing.T) {
	for _, c := range []struct {
		manners string
		timeout time.Duration
		hint    string
		says    []string
	}{
		{"dies of hints", ample, "look", []string{`answering the hint "look"`, "exit status 6"}},
		{"ignores hints", 200 * time.Millisecond, "look", []string{`answering the hint "look"`, "nothing happened"}},
		{"deaf", 200 * time.Millisecond, strings.Repeat("x", 1<<20), []string{`taking the hint "xxx`, "of 1048576 bytes", "nothing happened"}},
	} {
		t.Run(c.manners, func(t *testing.T) {
			t.Parallel()
			s := start(t, t.Context(), c.manners, ServerOptions{Timeout: c.timeout})
			refused(t, s.Hint([]byte(c.hint)), c.says...)
		})
	}
}

// What counts is silence, not how long all of an answer takes.
func TestSlowServer(t *testing.T) {
	for _, timeout := range []time.Duration{400 * time.Millisecond, -1} {
		s := start(t, t.Context(), "slow", ServerOptions{Timeout: timeout})
		got, err := s.Preimage(shaKey([]byte("short")))
		if err != nil || string(got) != "short" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestServerStops(t *testing.T) {
	reason := errors.New("enough")
	for name, stop := range map[string]func(*Server, context.CancelCauseFunc) error{
		"by its context": func(_ *Server, cancel context.CancelCauseFunc) error { cancel(reason); return reason },
		"by Close":       func(s *Server, _ context.CancelCauseFunc) error { go s.Close(); return errClosed },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s := start(t, ctx, "hangs", ServerOptions{Timeout: ample, Grace: ample})
			got := make(chan error)
			go func() {
				_, err := s.Preimage(localKey(1))
				got <- err
			}()
			time.Sleep(100 * time.Millisecond) // for the request to begin; it ends well without, too
			began := time.Now()
			want := stop(s, cancel)
			if err := <-got; !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > ample/2 {
				t.Errorf("the request, or the server, went on for %v", took)
			}
		})
	}
}

func TestServerEnds(t *testing.T) {
	const grace = 300 * time.Millisecond
	for _, c := range []struct{ manners, ready, says string }{
		{"interruptible", "ready", "was interrupted (exit status 5)"},
		{"stubborn", "ready", "was killed"},
		{"fails in the end", "", "exit status 4"},
	} {
		t.Run(c.manners, func(t *testing.T) {
			var output lines
			o := ServerOptions{Output: &output, Grace: grace, Timeout: ample}
			if c.ready == "" {
				o.Grace = ample
			}
			s := start(t, t.Context(), c.manners, o)
			output.wait(t, c.ready)
			refused(t, s.Close(), c.says)
			if s.alive() {
				t.Error("the server lives")
			}
		})
	}
}

func TestServerDoesNotStart(t *testing.T) {
	for _, command := range [][]string{nil, {"/nowhere/to/be/found"}, {t.TempDir()}} {
		_, err := StartServer(t.Context(), command, ServerOptions{})
		refused(t, err, "pre-image server")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := StartServer(ctx, []string{os.Args[0]}, ServerOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is done: %v", err)
	}
}
