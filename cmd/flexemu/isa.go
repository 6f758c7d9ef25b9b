package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/flexemu/flexemu"
)

func isaCommand() *cobra.Command {
	var asJSON bool
	var words []string
	var pc string
	c := &cobra.Command{
		Use:   "isa [flags] [ISA]",
		Short: "List instruction sets, or the instructions of one",
		Long: `isa lists the instruction sets, or the instructions of one: name, encoding (most significant
bit first), operands in assembly, and the part of the instruction set that it belongs to.
With --decode it disassembles instruction words instead.`,
		Example: `  flexemu isa
  flexemu isa mips64
  flexemu isa mips64 --decode 27bdffc0 --decode 0x0c004000`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 && len(words) > 0:
				return fmt.Errorf("--decode: of which instruction set?")
			case len(args) == 0:
				return listISAs(asJSON)
			}
			i, err := flexemu.FindISA(args[0])
			if err != nil {
				return err
			}
			if len(words) > 0 {
				return decode(i, words, pc, asJSON)
			}
			return listInstructions(i, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringArrayVar(&words, "decode", nil, "disassemble the instruction `HEXWORD` (repeatable)")
	c.Flags().StringVar(&pc, "pc", "0", "with --decode: address of the first instruction, `HEX`")
	return c
}

// isaInfo is an instruction set for --json.
type isaInfo struct {
	Name         string   `json:"name"`
	Title        string   `json:"title"`
	Bits         int      `json:"bits"`
	BigEndian    bool     `json:"bigEndian"`
	Instructions int      `json:"instructions"`
	Kernels      []string `json:"kernels"`
}

func listISAs(asJSON bool) error {
	var all []isaInfo
	for _, i := range flexemu.ISAs() {
		all = append(all, isaInfo{i.Name, i.Title, i.Bits, i.Big, len(i.Rows), []string{flexemu.KernelBare}})
	}
	if asJSON {
		return printJSON(os.Stdout, all)
	}
	return printTable(os.Stdout, func(w io.Writer) {
		fmt.Fprintln(w, "ISA\tINSTRUCTIONS\tKERNELS\tWHAT")
		for _, i := range all {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", i.Name, i.Instructions, strings.Join(i.Kernels, " "), i.Title)
		}
	})
}

// instructionInfo is an instruction for --json.
type instructionInfo struct {
	Name string `json:"name"`
	Bits string `json:"bits"`
	Asm  string `json:"asm"`
	Set  string `json:"set"`
}

func listInstructions(i *flexemu.ISA, asJSON bool) error {
	var all []instructionInfo
	for _, r := range i.Rows {
		all = append(all, instructionInfo{r.Name, r.Bits, r.Asm, r.Set})
	}
	if asJSON {
		return printJSON(os.Stdout, all)
	}
	return printTable(os.Stdout, func(w io.Writer) {
		fmt.Fprintln(w, "NAME\tBITS\tOPERANDS\tSET")
		for _, r := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Name, r.Bits, r.Asm, r.Set)
		}
	})
}

// decodedInfo is a disassembled word for --json.
type decodedInfo struct {
	PC   hexNumber `json:"pc"`
	Word hexNumber `json:"word"`
	Text string    `json:"text"`
}

// hexNumber is printed in hexadecimal.
type hexNumber uint64

func (n hexNumber) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%#x", uint64(n)), nil }

func parseHex(text string, bits int) (uint64, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, bits)
	if err != nil {
		return 0, fmt.Errorf("%q is not a hexadecimal number of %d bits", text, bits)
	}
	return n, nil
}

func decode(i *flexemu.ISA, words []string, pc string, asJSON bool) error {
	at, err := parseHex(pc, 64)
	if err != nil {
		return fmt.Errorf("--pc: %w", err)
	}
	var all []decodedInfo
	for _, digits := range words {
		w, err := parseHex(digits, 32)
		if err != nil {
			return fmt.Errorf("--decode: %w", err)
		}
		text, size, ok := i.Disassemble(uint32(w), at)
		if !ok {
			return fmt.Errorf("%#x is no instruction of %s", w, i.Name)
		}
		all = append(all, decodedInfo{hexNumber(at), hexNumber(w), text})
		at += size
	}
	if asJSON {
		return printJSON(os.Stdout, all)
	}
	for _, d := range all {
		if _, err := fmt.Println(d.Text); err != nil {
			return err
		}
	}
	return nil
}

// printTable aligns the columns, between which are tabs, of what write prints.
func printTable(out io.Writer, write func(io.Writer)) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	write(w)
	return w.Flush()
}
