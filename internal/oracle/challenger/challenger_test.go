// Package challenger_test runs the packages with which Optimism's op-challenger drives its VM against Cannon's own
// command and against flexEmu's under the name cannon. It is a module of its own for their dependencies.
package challenger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ethereum-optimism/optimism/op-challenger/game/fault/trace/cannon"
	"github.com/ethereum-optimism/optimism/op-challenger/game/fault/trace/utils"
	"github.com/ethereum-optimism/optimism/op-challenger/game/fault/trace/vm"
	"github.com/ethereum-optimism/optimism/op-challenger/game/fault/types"
	gameTypes "github.com/ethereum-optimism/optimism/op-challenger/game/types"
	"github.com/ethereum-optimism/optimism/op-challenger/metrics"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/log"

	"github.com/flexemu/flexemu/internal/oracle/cannon/server"
	"github.com/flexemu/flexemu/internal/oracle/cannon/workloads"
)

func TestMain(m *testing.M) {
	server.Main()
	os.Exit(m.Run())
}

// depth is that of the games: as on mainnet.
const depth = 73 - 30

// oracle has this test's own program as the pre-image server.
type oracle struct{}

func (oracle) OracleCommand(vm.Config, string, utils.LocalGameInputs) ([]string, error) {
	return []string{os.Args[0]}, nil
}

// binaries gives Cannon's own command and flexEmu under the name cannon.
func binaries(t *testing.T) (theirs, ours string) {
	t.Helper()
	path := os.Getenv("FLEXEMU")
	if path == "" {
		t.Skip("set FLEXEMU to the path of a flexemu binary")
	}
	dir := t.TempDir()
	theirs, ours = filepath.Join(dir, "theirs", "cannon"), filepath.Join(dir, "ours", "cannon")
	if text, err := exec.Command("go", "build", "-o", theirs, "github.com/ethereum-optimism/optimism/cannon").CombinedOutput(); err != nil {
		t.Fatalf("build Cannon: %v\n%s", err, text)
	}
	if err := os.Mkdir(filepath.Dir(ours), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, ours); err != nil {
		t.Fatal(err)
	}
	return theirs, ours
}

// prestate makes a program's state with a binary.
func prestate(t *testing.T, binary, program string) string {
	t.Helper()
	dir := t.TempDir()
	elf, state := filepath.Join(dir, "elf"), filepath.Join(dir, "state.bin.gz")
	if err := workloads.Build(workloads.Source(program), elf); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "load-elf", "--type", "multithreaded64-5", "--path", elf, "--out", state, "--meta", "")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, text)
	}
	return state
}

// provider is op-challenger's source of claims for a game about the program with that prestate. freq is the number of
// steps between snapshots.
func provider(t *testing.T, binary, state string, freq uint) *cannon.CannonTraceProviderForTest {
	cfg := vm.Config{
		VmType: gameTypes.CannonGameType, VmBin: binary, SnapshotFreq: freq, InfoFreq: 1_000_000, DebugInfo: true, BinarySnapshots: true,
	}
	quiet := log.NewLogger(log.DiscardHandler())
	return cannon.NewTraceProviderForTest(quiet, metrics.NoopMetrics.ToTypedVmMetrics("cannon"), cfg, oracle{}, state, utils.LocalGameInputs{}, t.TempDir(), depth)
}

// answer is what a challenger gets to know about one position.
func answer(t *testing.T, p *cannon.CannonTraceProviderForTest, index uint64) (common.Hash, []byte, []byte, *types.PreimageOracleData) {
	t.Helper()
	position := types.NewPosition(depth, new(big.Int).SetUint64(index))
	claim, err := p.Get(context.Background(), position)
	if err != nil {
		t.Fatalf("claim at %d: %v", index, err)
	}
	state, proof, data, err := p.GetStepData(context.Background(), position)
	if err != nil {
		t.Fatalf("step %d: %v", index, err)
	}
	return claim, state, proof, data
}

// TestProvider asks for claims and steps in the order of a bisection, and behind the end.
func TestProvider(t *testing.T) {
	theirs, ours := binaries(t)
	t.Setenv(server.Mode, "honest, for preimages")
	a, b := provider(t, ours, prestate(t, ours, "preimages"), 100_000), provider(t, theirs, prestate(t, theirs, "preimages"), 100_000)
	for _, index := range []uint64{0, 1 << 42, 1 << 20, 1 << 19, 350_000, 299_999, 300_000, 300_001, 99_999, 1<<43 - 1} {
		claim, witness, proof, data := answer(t, a, index)
		claim2, witness2, proof2, data2 := answer(t, b, index)
		const used = 298 + 32 + 60*32 // thread, stack below, instruction: behind it stand proofs that a step may not use
		if claim != claim2 || !bytes.Equal(witness, witness2) || len(proof) != len(proof2) || !bytes.Equal(proof[:min(used, len(proof))], proof2[:min(used, len(proof))]) || fmt.Sprint(data) != fmt.Sprint(data2) {
			t.Errorf("index %d: %v %x %v; Cannon %v %x %v", index, claim, witness, data, claim2, witness2, data2)
		}
	}
}

// TestFindStep looks for reads of pre-images, as the tests of the OP Stack do, and proves them.
func TestFindStep(t *testing.T) {
	theirs, ours := binaries(t)
	t.Setenv(server.Mode, "honest")
	a, b := provider(t, ours, prestate(t, ours, "large"), 10_000_000), provider(t, theirs, prestate(t, theirs, "large"), 10_000_000)
	for name, opt := range map[string]utils.PreimageOpt{
		"keccak": utils.FirstPreimageLoadOfType("keccak"), "local": utils.FirstPreimageLoadOfType("local"),
		"sha256": utils.FirstPreimageLoadOfType("sha256"), "blob": utils.FirstPreimageLoadOfType("blob"),
		"precompile": utils.FirstPrecompilePreimageLoad(), "large": utils.PreimageLargerThan(100_000),
		"later":      utils.PreimageOptConfig{KeyPrefix: 2, Offset: 16, AfterStep: 500_000}.PreimageLoad(),
		"not at all": utils.FirstPreimageLoadOfType("local"),
	} {
		start := uint64(0)
		if name == "not at all" {
			start = 1_000_000
		}
		step, err := a.FindStep(context.Background(), start, opt)
		step2, err2 := b.FindStep(context.Background(), start, opt)
		if step != step2 || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Errorf("%s: step %d, %v; Cannon %d, %v", name, step, err, step2, err2)
		}
		if err == nil && name != "blob" && name != "precompile" { // for these op-challenger reads the server's own files
			_, _, _, data := answer(t, a, step)
			_, _, _, data2 := answer(t, b, step)
			if data == nil || fmt.Sprint(data) != fmt.Sprint(data2) {
				t.Errorf("%s: at step %d %v; Cannon %v", name, step, data, data2)
			}
		}
	}
}

// TestPanics: what ends Cannon with a panic is told apart.
func TestPanics(t *testing.T) {
	theirs, ours := binaries(t)
	for _, mode := range []string{"dies", "dies at a hint"} {
		t.Setenv(server.Mode, mode)
		for _, binary := range []string{ours, theirs} {
			p := provider(t, binary, prestate(t, binary, "large"), 10_000_000)
			_, err := p.Get(context.Background(), types.NewPosition(depth, big.NewInt(1<<42)))
			if !errors.Is(err, vm.ErrVMPanic) {
				t.Errorf("a server that %s, %s: %v", mode, binary, err)
			}
		}
	}
}
