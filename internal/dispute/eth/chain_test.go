package eth_test

import (
	"context"
	"math/big"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/ethclient/simulated"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/params"

	"github.com/flexemu/flexemu/internal/dispute/eth"
)

// signer is the n-th of some accounts with money.
func signer(n byte) eth.Signer {
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte{n}))
	if err != nil {
		panic(err)
	}
	return eth.NewSigner(k)
}

// A simulation is a whole go-ethereum node in the process, whose blocks are made by hand, behind JSON-RPC.
type simulation struct {
	*simulated.Backend
	url string
}

func simulate(t *testing.T, options ...func(*ethconfig.Config)) *simulation {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	alloc := types.GenesisAlloc{}
	for n := range byte(16) {
		alloc[signer(n).Address()] = types.Account{Balance: new(big.Int).Mul(big.NewInt(1000), big.NewInt(params.Ether))}
	}
	b := simulated.NewBackend(alloc, func(n *node.Config, e *ethconfig.Config) {
		n.HTTPHost, n.HTTPPort, n.HTTPModules = "127.0.0.1", port, []string{"eth"}
		for _, o := range options {
			o(e)
		}
	})
	t.Cleanup(func() { b.Close() })
	return &simulation{b, "http://127.0.0.1:" + strconv.Itoa(port)}
}

// dial connects to a node until the test ends.
func dial(t *testing.T, url string) eth.Node {
	t.Helper()
	n, closeIt, err := eth.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeIt)
	return n
}

// A clock is moved by hand.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func (c *clock) pass(d time.Duration) { c.Time = c.Add(d) }

func balance(t *testing.T, n eth.Node, a common.Address) *big.Int {
	t.Helper()
	b, err := n.Balance(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
