// Command gen writes the files that follow from the rows: interpreter loops, kernels, contracts, tables of the
// documentation. Run it with make generate.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/flexemu/flexemu/internal/docs"
	"github.com/flexemu/flexemu/internal/engine/interp/emit"
	"github.com/flexemu/flexemu/internal/isa/sets"
	"github.com/flexemu/flexemu/internal/kernel/bare"
	"github.com/flexemu/flexemu/internal/verifier"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := generate(root); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(root string) error {
	var yul verifier.Source
	for name, text := range map[string]*string{"machine": &yul.Machine, "fixed": &yul.Fixed, "compact": &yul.Compact} {
		b, err := os.ReadFile(filepath.Join(root, "contracts/yul", name+".yul"))
		if err != nil {
			return err
		}
		*text = string(b)
	}
	for _, i := range sets.All() {
		exec, err := emit.Exec(i)
		if err != nil {
			return fmt.Errorf("%s: loop: %w", i.Name, err)
		}
		if err := write(exec, root, "internal/engine/interp", i.Name+"_exec.go"); err != nil {
			return err
		}
		k, err := bare.New(i)
		if err != nil {
			return err
		}
		contract, err := verifier.Contract(k, yul)
		if err != nil {
			return fmt.Errorf("%s: contract: %w", i.Name, err)
		}
		if err := write([]byte(contract), root, "contracts/src", verifier.ContractName(i)+".sol"); err != nil {
			return err
		}
		title := emit.Title(i)
		kernel, err := emit.Kernel("bare", []emit.KernelFunc{
			{Name: "scheduler" + title, Doc: "makes one step of a machine that has not halted.", Func: k.Scheduler()},
			{Name: "syscall" + title, Doc: "answers a syscall of the running thread.", Func: k.Syscall()},
			{Name: "fault" + title, Doc: "ends the machine.", Func: k.Fault()},
		})
		if err != nil {
			return fmt.Errorf("%s: kernel: %w", i.Name, err)
		}
		if err := write(kernel, root, "internal/kernel/bare", i.Name+"_kernel.go"); err != nil {
			return err
		}
	}
	loops, err := emit.Loops(sets.All())
	if err != nil {
		return err
	}
	if err := write(loops, root, "internal/engine/interp", "loops.go"); err != nil {
		return err
	}
	kernels, err := emit.Kernels("bare", sets.All())
	if err != nil {
		return err
	}
	if err := write(kernels, root, "internal/kernel/bare", "kernels.go"); err != nil {
		return err
	}
	return documentation(root)
}

// documentation writes the tables that are printed from the rows.
func documentation(root string) error {
	for path, text := range docs.Files() {
		if err := write([]byte(text), root, path); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(filepath.Join(root, docs.Spliced))
	if err != nil {
		return err
	}
	spliced, err := docs.Splice(string(text))
	if err != nil {
		return err
	}
	return write([]byte(spliced), root, docs.Spliced)
}

func write(data []byte, path ...string) error {
	return os.WriteFile(filepath.Join(path...), data, 0o644)
}
