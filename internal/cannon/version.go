// Package cannon does what Optimism's Cannon does, with its files and its command line: it makes states of
// executables, runs them, proves steps, and tells witnesses. State versions 7 and 8 run; of the older ones it reads
// the witness.
//
// Formats: see the files of this package that read and write them; the machine is that of docs/base-machine.md, as
// strict as Cannon. Specification: https://specs.optimism.io/fault-proof/cannon-fault-proof-vm.html.
package cannon

import (
	"errors"
	"fmt"
	"slices"
)

// A Version is a state version, the first byte of a state file.
type Version uint8

// The versions that run.
const (
	Version7 Version = 7 // getrandom does nothing
	Version8 Version = 8
)

var names = []string{
	"singlethreaded", "multithreaded", "singlethreaded-2", "multithreaded64", "multithreaded64-2",
	"multithreaded-2", "multithreaded64-3", "multithreaded64-4", "multithreaded64-5",
}

// String is Cannon's name of the version.
func (v Version) String() string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("unknown version %d", uint8(v))
}

// Known tells whether Cannon ever had that version.
func (v Version) Known() bool { return int(v) < len(names) }

// Runs tells whether states of this version can be run.
func (v Version) Runs() bool { return v == Version7 || v == Version8 }

// Runnable gives the versions that run.
func Runnable() []Version { return []Version{Version7, Version8} }

// ParseVersion finds a version by its name.
func ParseVersion(name string) (Version, error) {
	v := slices.Index(names, name)
	if v < 0 {
		return 0, fmt.Errorf("unknown state version %q", name)
	}
	return Version(v), nil
}

// errOld is wrapped by errors about states that can be read but not run.
var errOld = errors.New("this state version can be read (witness, inspect), not run")

func (v Version) mustRun() error {
	if v.Runs() {
		return nil
	}
	return fmt.Errorf("state version %d (%s): %w; versions %d (%s) and %d (%s) run",
		uint8(v), v, errOld, uint8(Version7), Version7, uint8(Version8), Version8)
}
