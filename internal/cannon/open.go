package cannon

import (
	"errors"
	"fmt"
	"os"
)

// readStateFile reads a state that is to be run.
func readStateFile(name string) (*State, error) {
	if !isBinary(name) {
		if _, err := os.Stat(name); err != nil {
			return nil, fmt.Errorf("state file: %w", err)
		}
		return nil, fmt.Errorf("state file %s: %w", name, Version(0).mustRun())
	}
	f, err := open(name)
	if err != nil {
		return nil, fmt.Errorf("state file: %w", err)
	}
	defer f.Close()
	s, err := ReadState(f)
	if err != nil {
		return nil, fmt.Errorf("state file %s: %w", name, err)
	}
	return s, nil
}

// IsOld tells whether an error is about a state of a version that can be read, but not run.
func IsOld(err error) bool { return errors.Is(err, errOld) }
