package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/flexemu/flexemu/internal/dispute/eth"
)

func disputeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "dispute COMMAND",
		Short: "Settle on a chain what a program's result is",
		Long: `dispute plays a game in which one honest player, with a laptop, makes the right result of a
program win over any number of wrong ones. docs/dispute.md has its rules, docs/player.md
tells how to take part in it.

deploy brings the contracts to a chain; open opens a task, which anybody may then claim a
result of; watch plays; status shows how a task stands. demo needs no chain.`,
		Example: `  flexemu dispute demo --cheaters 4 --preimages preimages evm.mips64`,
	}
	c.AddCommand(disputeDeployCommand(), disputeOpenCommand(), disputeWatchCommand(), disputeStatusCommand(), disputeDemoCommand())
	return c
}

// nodeFlags say which chain it is.
type nodeFlags struct {
	rpc  string
	json bool
	node eth.Node
}

func (f *nodeFlags) add(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.StringVar(&f.rpc, "rpc", "http://localhost:8545", "`URL` of an Ethereum node: http, https, ws, wss, or the path of a socket")
}

// dial connects to the node.
func (f *nodeFlags) dial(ctx context.Context, failed func(string, error)) (closeIt func(), err error) {
	f.node, closeIt, err = eth.Dial(ctx, f.rpc, failed)
	return closeIt, err
}

// keyFlags say whose transactions are sent, and what they may cost.
type keyFlags struct {
	file, keystore, password string
	maxFee                   uint64
}

func (f *keyFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "key-file", "", "send from the account whose private key is in `FILE`, in hexadecimal digits")
	flags.StringVar(&f.keystore, "keystore", "", "send from the account in `FILE`, a key that a wallet has encrypted (JSON)")
	flags.StringVar(&f.password, "password-file", "", "the password for --keystore is in `FILE`")
	flags.Uint64Var(&f.maxFee, "max-fee", 500, "pay at most `GWEI` for a unit of gas")
}

// signer reads the key; nil if none is given.
func (f *keyFlags) signer() (eth.Signer, error) {
	switch {
	case f.file != "" && f.keystore != "":
		return nil, errors.New("--key-file and --keystore exclude each other")
	case f.file != "":
		return eth.ReadKey(f.file)
	case f.keystore == "":
		return nil, nil
	case f.password == "":
		return nil, errors.New("--keystore: where is the password? --password-file is missing")
	}
	password, err := os.ReadFile(f.password)
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	return eth.ReadKeystore(f.keystore, strings.TrimRight(string(password), "\r\n"))
}

func (f *keyFlags) options() eth.SenderOptions {
	fee := new(big.Int).SetUint64(f.maxFee)
	return eth.SenderOptions{MaxFee: fee.Mul(fee, big.NewInt(params.GWei))}
}

// submitter makes a function that gets a transaction into a block.
func submitter(ctx context.Context, n eth.Node, k *keyFlags, log *slog.Logger) (send func(eth.Wish, error) (*types.Receipt, error), account common.Address, err error) {
	signer, err := k.signer()
	if err != nil {
		return nil, account, err
	}
	if signer == nil {
		return nil, account, errors.New("who sends it? --key-file or --keystore is missing")
	}
	var mined *types.Receipt
	o := k.options()
	o.Log = log
	o.Mined = func(m eth.Mined) { mined = m.Receipt }
	s, err := eth.NewSender(ctx, n, signer, o)
	if err != nil {
		return nil, account, err
	}
	return func(w eth.Wish, err error) (*types.Receipt, error) {
		if err != nil {
			return nil, err
		}
		mined = nil
		if err := s.Push(ctx, w, func() bool { return mined != nil }); err != nil {
			return nil, fmt.Errorf("%s: %w", w.Why, eth.Explain(err))
		}
		if mined.Status == types.ReceiptStatusFailed {
			return nil, fmt.Errorf("%s: the transaction %v failed", w.Why, mined.TxHash)
		}
		return mined, nil
	}, signer.Address(), nil
}

// gameFlags say which task it is.
type gameFlags struct {
	nodeFlags
	game, task string
}

func (f *gameFlags) add(flags *pflag.FlagSet) {
	f.nodeFlags.add(flags)
	flags.StringVar(&f.game, "game", "", "`ADDRESS` of the contract DisputeGame")
	flags.StringVar(&f.task, "task", "", "`ID` of the task, as open has told it: 32 bytes in hex")
}

// parse reads the address and the id.
func (f *gameFlags) parse() (common.Address, common.Hash, error) {
	game, err := parseAddress("--game", f.game)
	if err != nil {
		return game, common.Hash{}, err
	}
	task := common.HexToHash(f.task)
	if len(strings.TrimPrefix(f.task, "0x")) != 64 || task.Hex() != "0x"+strings.ToLower(strings.TrimPrefix(f.task, "0x")) {
		return game, task, fmt.Errorf("--task %q: it is not 32 bytes in hex", f.task)
	}
	return game, task, nil
}

func parseAddress(flag, text string) (common.Address, error) {
	if text == "" {
		return common.Address{}, fmt.Errorf("%s is missing", flag)
	}
	if !common.IsHexAddress(text) {
		return common.Address{}, fmt.Errorf("%s %q: it is no address", flag, text)
	}
	return common.HexToAddress(text), nil
}

// logger writes what happens, for people or as JSON.
func logger(w io.Writer, asJSON, verbose bool) *slog.Logger {
	o := &slog.HandlerOptions{}
	if verbose {
		o.Level = slog.LevelDebug
	}
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

type deployFlags struct {
	nodeFlags
	keyFlags
	isa, game, oracle string
}

func disputeDeployCommand() *cobra.Command {
	f := new(deployFlags)
	c := &cobra.Command{
		Use:   "deploy [flags]",
		Short: "Deploy the contracts that disputes need",
		Long: `deploy brings the contracts to a chain: the game, which serves any number of tasks and has no
owner; the pre-image oracle; the verifier of an instruction set and its adapter to the game.
It costs about 12 million gas. For another instruction set give --game and --oracle.

Exit code: 0; 125 when flexemu failed.`,
		Example: `  flexemu dispute deploy --rpc http://localhost:8545 --key-file key --isa mips64`,
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return f.run(c.Context()) },
	}
	flags := c.Flags()
	f.nodeFlags.add(flags)
	f.keyFlags.add(flags)
	flags.StringVar(&f.isa, "isa", "mips64", "deploy the verifier of the instruction set `ISA`")
	flags.StringVar(&f.game, "game", "", "use the game at `ADDRESS` instead of deploying one")
	flags.StringVar(&f.oracle, "oracle", "", "use the oracle at `ADDRESS` instead of deploying one")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return c
}

// deployed is what deploy prints.
type deployed struct {
	Game     common.Address `json:"game"`
	Verifier common.Address `json:"verifier"` // for open: the adapter
	Step     common.Address `json:"step"`
	Oracle   common.Address `json:"oracle"`
	ISA      string         `json:"isa"`
	Gas      uint64         `json:"gas"`
}

func (f *deployFlags) run(ctx context.Context) error {
	contract, err := contractOf(f.isa)
	if err != nil {
		return err
	}
	var s eth.Suite
	for _, given := range []struct {
		flag, text string
		at         *common.Address
	}{{"--game", f.game, &s.Game}, {"--oracle", f.oracle, &s.Oracle}} {
		if given.text != "" {
			if *given.at, err = parseAddress(given.flag, given.text); err != nil {
				return err
			}
		}
	}
	closeIt, err := f.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer closeIt()
	send, _, err := submitter(ctx, f.node, &f.keyFlags, logger(os.Stderr, f.json, false))
	if err != nil {
		return err
	}
	gas := uint64(0)
	s, err = s.Deploy(contract, func(w eth.Wish, err error) (*types.Receipt, error) {
		r, err := send(w, err)
		if err == nil {
			gas += r.GasUsed
		}
		return r, err
	})
	if err != nil {
		return err
	}
	d := deployed{s.Game, s.Adapter, s.Step, s.Oracle, f.isa, gas}
	if f.json {
		return printJSON(os.Stdout, d)
	}
	return printTable(os.Stdout, func(w io.Writer) {
		fmt.Fprintf(w, "game\t%v\nverifier\t%v\t%s, for open\nstep\t%v\noracle\t%v\ngas\t%s\n", d.Game, d.Verifier, d.ISA, d.Step, d.Oracle, grouped(d.Gas))
	})
}
