// The command serve answers a guest's requests from a folder of pre-images, whose files are named
// by their keys in hex.
//
//	serve FOLDER                 talks over its own descriptors 3 to 6, as a pre-image server of
//	                             flexEmu and of Optimism's Cannon does
//	serve FOLDER PROGRAM ARG...  starts a program with these descriptors, and ends as it ends
//
// Exit code: the program's; 125 when serve itself failed.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/flexemu/flexemu/examples/preimage"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: serve FOLDER [PROGRAM ARG...]")
		os.Exit(125)
	}
	if err := run(preimage.Folder(os.Args[1]), os.Args[2:]); err != nil {
		var ended *exec.ExitError
		exited := errors.As(err, &ended) && ended.ExitCode() >= 0
		if !exited || err.Error() != ended.Error() {
			fmt.Fprintln(os.Stderr, "serve:", err)
		}
		if exited {
			os.Exit(ended.ExitCode())
		}
		os.Exit(125)
	}
}

func run(source preimage.Source, program []string) error {
	if len(program) > 0 {
		cmd := exec.Command(program[0], program[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		return preimage.Connect(cmd, source, nil)
	}
	go preimage.ServeHints(func(string) {}, os.NewFile(3, "hint read"), os.NewFile(4, "hint write"))
	return preimage.Serve(source, os.NewFile(5, "pre-image read"), os.NewFile(6, "pre-image write"))
}
