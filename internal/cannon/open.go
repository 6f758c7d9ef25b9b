package cannon

import (
	"fmt"
	"os"
)

// IsStateFile tells by its name whether a file is a state, as Cannon does: it ends with .bin or .bin.gz.
func IsStateFile(name string) bool { return isBinary(name) }

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
