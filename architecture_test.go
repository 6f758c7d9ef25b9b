package flexemu_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/flexemu/flexemu"

// imports says which packages of ours each package may import. A new package gets a line here, on purpose.
var imports = map[string]string{
	"internal/ir/words":               "",
	"internal/ir":                     "internal/ir/words",
	"internal/merkle":                 "",
	"internal/atomicfile":             "",
	"internal/dispute":                "",
	"internal/dispute/eth":            "contracts internal/dispute",
	"internal/dispute/devchain":       "internal/dispute/eth",
	"internal/dispute/player":         "internal/dispute internal/dispute/eth",
	"internal/dispute/prover":         "github.com/flexemu/flexemu internal/dispute internal/dispute/eth internal/dispute/player internal/merkle internal/verifier",
	"internal/dispute/demo":           "internal/dispute internal/dispute/devchain internal/dispute/eth internal/dispute/player internal/dispute/prover",
	"internal/dispute/chaintest":      "internal/dispute/eth",
	"internal/hostmem":                "",
	"internal/isa":                    "internal/ir",
	"internal/isa/mips":               "internal/ir internal/isa",
	"internal/isa/riscv":              "internal/ir internal/isa",
	"internal/isa/sets":               "internal/isa internal/isa/mips internal/isa/riscv",
	"internal/machine":                "internal/hostmem internal/ir internal/merkle",
	"internal/machine/snapshot":       "internal/ir internal/machine internal/merkle",
	"internal/loader":                 "",
	"internal/preimage":               "internal/merkle",
	"internal/engine":                 "internal/engine/interp internal/engine/jit internal/isa internal/kernel/bare internal/machine",
	"internal/engine/interp":          "internal/ir internal/ir/words internal/isa internal/machine",
	"internal/engine/interp/emit":     "internal/ir internal/isa",
	"internal/engine/jit":             "internal/engine/interp internal/engine/jit/amd64 internal/engine/jit/arm64 internal/engine/jit/lir internal/hostmem internal/ir internal/isa internal/machine",
	"internal/engine/jit/lir":         "internal/ir",
	"internal/engine/jit/amd64":       "internal/engine/jit/lir internal/ir",
	"internal/engine/jit/arm64":       "internal/engine/jit/lir internal/ir",
	"internal/engine/jit/lir/lirtest": "internal/engine/jit/lir internal/hostmem internal/ir",
	"internal/engine/enginetest":      "internal/engine/interp internal/ir internal/isa internal/isa/isatest internal/isa/sets internal/kernel/bare internal/loader internal/machine internal/machine/snapshot internal/preimage",
	"internal/kernel/bare":            "internal/ir internal/ir/words internal/isa internal/machine",
	"internal/cannon":                 "internal/engine internal/ir internal/isa internal/isa/mips internal/kernel/bare internal/loader internal/machine internal/merkle internal/preimage internal/proof",
	"internal/proof":                  "internal/engine/interp internal/ir internal/isa internal/kernel/bare internal/machine internal/merkle",
	"internal/verifier":               "internal/ir internal/isa internal/kernel/bare internal/machine",
	"internal/verifier/evm":           "contracts",
}

// pure are the packages that compute a state: nothing from outside may have a say in it.
var pure = []string{
	"internal/ir", "internal/ir/words", "internal/isa", "internal/isa/mips", "internal/isa/riscv", "internal/isa/sets",
	"internal/machine", "internal/engine/interp", "internal/engine/jit", "internal/engine/jit/lir",
	"internal/engine/jit/amd64", "internal/engine/jit/arm64", "internal/kernel/bare", "internal/dispute",
}

// impure are packages of the standard library whose results differ from run to run.
var impure = []string{"time", "os", "math/rand", "math/rand/v2", "crypto/rand", "net", "os/exec"}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./internal/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		names := strings.Fields(strings.ReplaceAll(line, module+"/", ""))
		name := names[0]
		allowed, ruled := imports[name]
		found[name] = true
		for _, i := range names[1:] {
			ours := strings.HasPrefix(i, "internal/") && !strings.HasPrefix(i, "internal/runtime") || i == "contracts" || i == module
			if ruled && ours && !slices.Contains(strings.Fields(allowed), i) {
				t.Errorf("%s imports %s", name, i)
			}
			if slices.Contains(pure, name) && slices.Contains(impure, i) {
				t.Errorf("%s computes a state and imports %s", name, i)
			}
		}
	}
	for name := range imports {
		if !found[name] {
			t.Errorf("there is no package %s any more", name)
		}
	}
}
