package cannon

import (
	"fmt"
	"io"

	"github.com/flexemu/flexemu/internal/proof"
)

// witnessJSON is what the command witness prints.
type witnessJSON struct {
	Version  Version     `json:"stateVersion"`
	Hash     proof.Bytes `json:"witnessHash"`
	Witness  proof.Bytes `json:"witness"`
	Step     uint64      `json:"step"`
	Exited   bool        `json:"exited"`
	ExitCode uint8       `json:"exitCode"`
}

// Witness prints the witness of a state file, of any version, and its hash, and writes its bytes to output unless that
// is empty.
func Witness(input, output string, stdout io.Writer) error {
	s, err := Summarize(input)
	if err != nil {
		return err
	}
	if output != "" {
		err := writeFile(output, false, func(w io.Writer) error {
			_, err := w.Write(s.Witness)
			return err
		})
		if err != nil {
			return fmt.Errorf("write witness: %w", err)
		}
	}
	return writeJSON("-", stdout, witnessJSON{s.Version, s.Hash[:], s.Witness, s.Step, s.Exited, s.ExitCode})
}
