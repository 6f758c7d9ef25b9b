// Package chaintest has chains to test players on: go-ethereum's simulated one and, if they are installed, geth --dev and
// anvil; and a proxy in front of a node that is slow and fails. It is for tests only.
package chaintest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/big"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/ethclient/simulated"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/flexemu/flexemu/internal/dispute/eth"
)

// Accounts is how many accounts have money: 1,000 ETH each.
const Accounts = 16

// Key is the private key of an account, 0 to Accounts-1, in hexadecimal digits.
func Key(n byte) string { return common.Bytes2Hex(crypto.Keccak256([]byte{n})) }

// Signer is the n-th account.
func Signer(n byte) eth.Signer {
	k, err := crypto.HexToECDSA(Key(n))
	if err != nil {
		panic(err)
	}
	return eth.NewSigner(k)
}

func money() *big.Int { return new(big.Int).Mul(big.NewInt(1000), big.NewInt(params.Ether)) }

// Dial connects to a node until the test ends.
func Dial(t testing.TB, url string) eth.Node {
	t.Helper()
	n, closeIt, err := eth.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeIt)
	return n
}

// freePort is one that nobody listens at, probably.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// A Simulation is a whole go-ethereum node in the process, behind JSON-RPC at URL. Its blocks are made by Commit.
type Simulation struct {
	*simulated.Backend
	URL string
}

// Simulate starts one.
func Simulate(t testing.TB) *Simulation {
	t.Helper()
	port := freePort(t)
	alloc := types.GenesisAlloc{}
	for n := range byte(Accounts) {
		alloc[Signer(n).Address()] = types.Account{Balance: money()}
	}
	b := simulated.NewBackend(alloc, func(n *node.Config, _ *ethconfig.Config) {
		n.HTTPHost, n.HTTPPort, n.HTTPModules = "127.0.0.1", port, []string{"eth"}
	})
	t.Cleanup(func() { b.Close() })
	return &Simulation{b, "http://127.0.0.1:" + strconv.Itoa(port)}
}

// Mine makes a block every so often until the test ends or the function that it gives is called. In each a second passes
// on the chain, at least. every is called before each block but the first, with its number.
func (s *Simulation) Mine(t testing.TB, interval time.Duration, every func(block int)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			if every != nil && n > 0 {
				every(n)
			}
			s.Commit()
			time.Sleep(interval)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop
}

// Geth starts geth --dev, which makes a block each second, and returns its URL. Without geth the test is skipped.
func Geth(t testing.TB) string {
	t.Helper()
	port := freePort(t)
	url := start(t, port, "geth", "--dev", "--dev.period", "1", "--http", "--http.addr", "127.0.0.1", "--http.port", strconv.Itoa(port),
		"--http.api", "eth", "--port", "0", "--authrpc.port", strconv.Itoa(freePort(t)), "--nodiscover", "--maxpeers", "0", "--ipcdisable",
		"--datadir", t.TempDir())
	c := raw(t, url)
	var rich []common.Address
	request(t, c, &rich, "eth_accounts")
	for n := range byte(Accounts) {
		var hash common.Hash
		request(t, c, &hash, "eth_sendTransaction", map[string]any{
			"from": rich[0], "to": Signer(n).Address(), "value": (*hexutil.Big)(money()),
		})
	}
	funded(t, url)
	return url
}

// Anvil starts anvil, on whose chain fifty seconds pass in each, and returns its URL. Without anvil the test is skipped.
func Anvil(t testing.TB) string {
	t.Helper()
	port := freePort(t)
	url := start(t, port, "anvil", "--silent", "--port", strconv.Itoa(port))
	c := raw(t, url)
	for n := range byte(Accounts) {
		request(t, c, nil, "anvil_setBalance", Signer(n).Address(), (*hexutil.Big)(money()))
	}
	funded(t, url)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			var ignored any
			c.CallContext(ctx, &ignored, "evm_increaseTime", 5)
			c.CallContext(ctx, &ignored, "evm_mine")
			time.Sleep(100 * time.Millisecond)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return url
}

// start starts a node and waits until it answers.
func start(t testing.TB, port int, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.Command(path, args...)
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var last strings.Builder
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if last.Len() < 10_000 {
				fmt.Fprintln(&last, lines.Text())
			}
		}
		io.Copy(io.Discard, out)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-read
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", name, last.String())
		}
	})
	url := "http://127.0.0.1:" + strconv.Itoa(port)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			c.Close()
			return url
		}
	}
	t.Fatalf("%s does not answer", name)
	return ""
}

func raw(t testing.TB, url string) *rpc.Client {
	t.Helper()
	c, err := rpc.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func request(t testing.TB, c *rpc.Client, result any, method string, args ...any) {
	t.Helper()
	if err := c.Call(result, method, args...); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
}

// funded waits until all accounts have money.
func funded(t testing.TB, url string) {
	t.Helper()
	n := Dial(t, url)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		b, err := n.Balance(t.Context(), Signer(Accounts-1).Address())
		if err == nil && b.Sign() > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the accounts have no money: %v", err)
		}
	}
}
