// Command flexemu runs Linux programs built for several instruction sets, deterministically, and proves single
// steps of them. README.md and flexemu --help tell more; the package flexemu is the same as a library.
//
// Exit codes: those of the guest for run; 125 when flexemu itself failed, 126 for what is no program that could
// run, 127 for a program that is not there, 128 and a signal's number after that signal.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/flexemu/flexemu"
)

// Exit codes of flexemu's own, as env, nohup and docker run have them.
const (
	codeFailed        = 125
	codeNotExecutable = 126
	codeNotFound      = 127
	codeSignal        = 128 // and the signal's number
)

// exitError ends flexemu with a code. Without an error there is nothing to say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// interrupted is the cause of a context that a signal has ended.
type interrupted struct{ signal syscall.Signal }

func (i interrupted) Error() string { return i.signal.String() }

func main() { os.Exit(execute(os.Args[1:])) }

// execute runs a command line and gives the exit code.
func execute(args []string) int {
	// Where nobody listens for it, SIGPIPE ends the process at a write to a closed stdout. It is to be an error.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := interruptible()
	defer stop()
	if calledCannon(os.Args[0]) {
		return runCannon(ctx, args)
	}
	root := rootCommand()
	root.SetArgs(args)
	return report(root.ExecuteContext(ctx))
}

// interruptible is a context that ends with the first Ctrl-C; the second one ends the process.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		if s, ok := <-signals; ok {
			signal.Stop(signals)
			cancel(interrupted{s.(syscall.Signal)})
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}

// endAtOnce makes a signal end the process, until the function that it gives is called: for what has nothing to keep and
// may wait for a file, a pipe or a terminal, which no context interrupts.
func endAtOnce(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		if err := context.Cause(ctx); errors.As(err, new(interrupted)) {
			os.Exit(report(err))
		}
	})
}

// report says what went wrong and gives the exit code for it.
func report(err error) int {
	if err == nil {
		return 0
	}
	for line := range strings.Lines(err.Error()) {
		warn("%s", strings.TrimSuffix(line, "\n"))
	}
	var exit *exitError
	var program *flexemu.ProgramError
	var sig interrupted
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &program):
		return codeNotExecutable
	case errors.As(err, &sig):
		return codeSignal + int(sig.signal)
	}
	return codeFailed
}

// warn writes a line to stderr.
func warn(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "flexemu: "+format+"\n", args...)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "flexemu",
		Short: "Run programs deterministically, and prove their steps",
		Long: `flexemu runs a statically linked Linux program that was built for one of several
instruction sets (flexemu isa lists them). Everybody who runs it gets the same
output, the same number of steps and, at every step, the same state, to which a
root of 32 bytes commits. Any single step can be proven to a contract.`,
		Example: `  GOOS=linux GOARCH=mips64 GOMIPS64=softfloat go build -o hello \
      -ldflags '-X runtime.godebugDefault=madvdontneed=0,decoratemappings=0' ./examples/go/hello
  flexemu run hello
  flexemu prove --at 1000 -o proof.json hello
  flexemu verify proof.json`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(runCommand(), proveCommand(), verifyCommand(), disputeCommand(), demoCommand(),
		inspectCommand(), isaCommand(), cannonCommand(), versionCommand())
	return root
}
