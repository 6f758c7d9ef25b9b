package flexemu_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/flexemu/flexemu"
)

// A console is a host without pre-images that shows what the guest writes.
type console struct{}

func (console) Preimage(key [32]byte) ([]byte, error) {
	return nil, fmt.Errorf("no pre-image %x", key)
}
func (console) Hint([]byte) error { return nil }
func (console) Output(_ int, p []byte) error {
	_, err := os.Stdout.Write(p)
	return err
}

// load is a run of the program examples/go/hello, built with GOOS=linux GOARCH=mips64 GOMIPS64=softfloat.
func load() *flexemu.Run {
	program, err := os.ReadFile(filepath.Join(guests, "hello"))
	if err != nil {
		log.Fatal(err)
	}
	run, err := flexemu.Load(program, flexemu.Options{Args: []string{"hello"}, Host: console{}})
	if err != nil {
		log.Fatal(err)
	}
	return run
}

// Run a program to its end.
func Example() {
	run := load()
	if err := run.RunTo(1 << 62); err != nil {
		log.Fatal(err)
	}
	exited, code := run.Exited()
	fmt.Println("exited:", exited, "code:", code)
	// The first byte of a root says how the machine ended: 0 is success.
	fmt.Println("status:", run.Root()[0])
	// Output:
	// hello, world
	// exited: true code: 0
	// status: 0
}

// Prove one step, and check the proof without the program.
func ExampleRun_Prove() {
	run := load()
	if err := run.RunTo(1000); err != nil {
		log.Fatal(err)
	}
	pre := run.Root()
	proof, err := run.Prove()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("step", proof.Step, "starts here:", bytes.Equal(proof.Pre, pre[:]))
	fmt.Println("replay:", flexemu.Verify(proof))

	proof.Post[31] ^= 1 // claim something else
	fmt.Println("a wrong claim holds:", flexemu.Verify(proof) == nil)
	// Output:
	// step 1000 starts here: true
	// replay: <nil>
	// a wrong claim holds: false
}

// Stop a run, save it, and go on with the copy.
func ExampleResume() {
	run := load()
	if err := run.RunTo(100_000); err != nil {
		log.Fatal(err)
	}
	var snapshot bytes.Buffer
	if err := run.Save(&snapshot); err != nil {
		log.Fatal(err)
	}
	resumed, err := flexemu.Resume(&snapshot, flexemu.Options{Host: console{}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("step", resumed.Step(), "same root:", resumed.Root() == run.Root())
	if err := resumed.RunTo(1 << 62); err != nil {
		log.Fatal(err)
	}
	// Output:
	// step 100000 same root: true
	// hello, world
}
