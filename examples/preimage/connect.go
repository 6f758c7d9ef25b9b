package preimage

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// Connect runs cmd with the two channels on its descriptors 3 to 6, as a client's Open expects
// them, and serves them until it ends. take, which may be nil, gets the hints. It returns the
// error of the program, an *exec.ExitError for one that ended with another code than 0, together
// with that of the server.
func Connect(cmd *exec.Cmd, source Source, take func(hint string)) error {
	var ends [8]*os.File // pairs of read end and write end
	defer func() {
		for _, end := range ends {
			if end != nil {
				end.Close()
			}
		}
	}()
	for i := 0; i < len(ends); i += 2 {
		in, out, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("run %s: %w", cmd.Path, err)
		}
		ends[i], ends[i+1] = in, out
	}
	if take == nil {
		take = func(string) {}
	}
	hintAnswer, hint, dataAnswer, data := ends[0:2], ends[2:4], ends[4:6], ends[6:8]
	cmd.ExtraFiles = []*os.File{hintAnswer[0], hint[1], dataAnswer[0], data[1]}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	// The program has its own copies; only when ours are closed does its end show as end of file.
	for _, end := range cmd.ExtraFiles {
		end.Close()
	}
	served := make(chan error, 2)
	go func() {
		err := Serve(source, data[0], dataAnswer[1])
		dataAnswer[1].Close()
		served <- err
	}()
	go func() {
		err := ServeHints(take, hint[0], hintAnswer[1])
		hintAnswer[1].Close()
		served <- err
	}()
	err := cmd.Wait()
	return errors.Join(err, <-served, <-served)
}
