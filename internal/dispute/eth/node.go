// Package eth plays the dispute game on an Ethereum chain: it reads a task into the form that package dispute has for it,
// turns what a strategy wants to do into transactions, and gets these into blocks.
//
// Nothing it keeps in memory is needed to go on: all follows from the chain. The contracts are those of contracts/;
// docs/player.md tells how the parts behave when something goes wrong.
package eth

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// A Block is what the player wants to know of one.
type Block struct {
	Number  uint64
	Hash    common.Hash
	Time    uint64   // seconds
	BaseFee *big.Int // wei per gas
}

// A Node is a view of a chain, and a way to send transactions to it. Its methods may be called concurrently.
type Node interface {
	ChainID(ctx context.Context) (*big.Int, error)
	// Block returns the block of that number, or the newest one if number is nil. ethereum.NotFound says there is none.
	Block(ctx context.Context, number *big.Int) (Block, error)
	// Call calls a contract in the state after a block.
	Call(ctx context.Context, m ethereum.CallMsg, block common.Hash) ([]byte, error)
	Code(ctx context.Context, a common.Address) ([]byte, error)
	Balance(ctx context.Context, a common.Address) (*big.Int, error)
	Logs(ctx context.Context, q ethereum.FilterQuery) ([]types.Log, error)
	// Estimate returns the gas that a transaction would take in the next block. A revert is an error for which Reverted
	// gives the data.
	Estimate(ctx context.Context, m ethereum.CallMsg) (uint64, error)
	// Tip returns what to offer a proposer, in wei per gas.
	Tip(ctx context.Context) (*big.Int, error)
	Send(ctx context.Context, tx *types.Transaction) error
	// Transaction returns one that is in a block or waits for one, Receipt one that is in a block; ethereum.NotFound says
	// that it is not.
	Transaction(ctx context.Context, hash common.Hash) (*types.Transaction, error)
	Receipt(ctx context.Context, hash common.Hash) (*types.Receipt, error)
	// Nonces returns the number of an account's transactions in blocks, and that with those that wait right behind them.
	Nonces(ctx context.Context, a common.Address) (mined, pending uint64, err error)
}

const (
	// callTimeout is how long one request to a node may take.
	callTimeout = 30 * time.Second
	// callTries is how often a request is made that fails for a reason that may pass; firstWait is how long after the first
	// time, and doubles. Longer outages are for the caller, who goes on when there is a new block.
	callTries = 6
	firstWait = 100 * time.Millisecond
)

// A client is a Node behind JSON-RPC.
type client struct {
	rpc *rpc.Client
	eth *ethclient.Client
	// failed is told of each request that failed and is made again.
	failed func(method string, err error)
}

// Dial connects to a node at an address such as http://localhost:8545 or ws://…, or at the path of a socket. failed, if
// it is not nil, is called by any goroutine for each request that failed and is made again.
func Dial(ctx context.Context, url string, failed func(method string, err error)) (Node, func(), error) {
	c, err := rpc.DialContext(ctx, url)
	if err != nil {
		return nil, nil, fmt.Errorf("node %s: %w", url, err)
	}
	if failed == nil {
		failed = func(string, error) {}
	}
	return &client{c, ethclient.NewClient(c), failed}, c.Close, nil
}

// ask makes a request, several times if need be.
func ask[T any](ctx context.Context, c *client, method string, f func(context.Context) (T, error)) (T, error) {
	wait := firstWait
	for try := 1; ; try++ {
		one, cancel := context.WithTimeout(ctx, callTimeout)
		v, err := f(one)
		cancel()
		switch {
		case err == nil:
			return v, nil
		case ctx.Err() != nil:
			return v, fmt.Errorf("%s: %w", method, context.Cause(ctx))
		case !passing(err) || try == callTries:
			return v, fmt.Errorf("%s: %w", method, err)
		}
		c.failed(method, err)
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait *= 2
	}
}

// Codes of JSON-RPC errors that say nothing about the request.
const (
	codeInternal = -32603
	codeTimeout  = -32002
	codeLimit    = -32005
)

// indexing is what geth answers about a transaction that it does not know, as long as it has not looked at all of them.
const indexing = "transaction indexing is in progress"

// passing tells whether an error is one of the way to the node, or of the node itself, so that the same request may
// succeed another time.
func passing(err error) bool {
	if errors.Is(err, ethereum.NotFound) {
		return false
	}
	if _, reverted := Reverted(err); reverted {
		return false
	}
	var answer rpc.Error
	if errors.As(err, &answer) {
		switch answer.ErrorCode() {
		case codeInternal, codeTimeout, codeLimit:
			return true
		}
		return answer.Error() == indexing
	}
	var status rpc.HTTPError
	if errors.As(err, &status) {
		return status.StatusCode == 429 || status.StatusCode == 408 || status.StatusCode >= 500
	}
	return true
}

// Reverted returns the data of a revert, which may be empty, and whether the error is one.
func Reverted(err error) (data []byte, reverted bool) {
	var with rpc.DataError
	if errors.As(err, &with) {
		if text, ok := with.ErrorData().(string); ok {
			if data, err := hexutil.Decode(text); err == nil {
				return data, true
			}
		}
	}
	return nil, err != nil && strings.Contains(err.Error(), "execution reverted")
}

func (c *client) ChainID(ctx context.Context) (*big.Int, error) {
	return ask(ctx, c, "eth_chainId", c.eth.ChainID)
}

// Block does not use go-ethereum's headers: it would have to compute the hash, and other chains have other fields.
func (c *client) Block(ctx context.Context, number *big.Int) (Block, error) {
	at := "latest"
	if number != nil {
		at = hexutil.EncodeBig(number)
	}
	return ask(ctx, c, "eth_getBlockByNumber", func(ctx context.Context) (Block, error) {
		var b *struct {
			Number    hexutil.Uint64 `json:"number"`
			Hash      common.Hash    `json:"hash"`
			Timestamp hexutil.Uint64 `json:"timestamp"`
			BaseFee   *hexutil.Big   `json:"baseFeePerGas"`
		}
		if err := c.rpc.CallContext(ctx, &b, "eth_getBlockByNumber", at, false); err != nil {
			return Block{}, err
		}
		if b == nil {
			return Block{}, ethereum.NotFound
		}
		fee := new(big.Int)
		if b.BaseFee != nil {
			fee = b.BaseFee.ToInt()
		}
		return Block{uint64(b.Number), b.Hash, uint64(b.Timestamp), fee}, nil
	})
}

func (c *client) Call(ctx context.Context, m ethereum.CallMsg, block common.Hash) ([]byte, error) {
	return ask(ctx, c, "eth_call", func(ctx context.Context) ([]byte, error) {
		return c.eth.CallContractAtHash(ctx, m, block)
	})
}

func (c *client) Code(ctx context.Context, a common.Address) ([]byte, error) {
	return ask(ctx, c, "eth_getCode", func(ctx context.Context) ([]byte, error) { return c.eth.CodeAt(ctx, a, nil) })
}

func (c *client) Balance(ctx context.Context, a common.Address) (*big.Int, error) {
	return ask(ctx, c, "eth_getBalance", func(ctx context.Context) (*big.Int, error) { return c.eth.BalanceAt(ctx, a, nil) })
}

func (c *client) Logs(ctx context.Context, q ethereum.FilterQuery) ([]types.Log, error) {
	return ask(ctx, c, "eth_getLogs", func(ctx context.Context) ([]types.Log, error) { return c.eth.FilterLogs(ctx, q) })
}

// Estimate asks for the pending block: in the newest one it may be too early for what has become possible since.
func (c *client) Estimate(ctx context.Context, m ethereum.CallMsg) (uint64, error) {
	return ask(ctx, c, "eth_estimateGas", func(ctx context.Context) (uint64, error) {
		return c.eth.EstimateGasAtBlock(ctx, m, big.NewInt(int64(rpc.PendingBlockNumber)))
	})
}

func (c *client) Tip(ctx context.Context) (*big.Int, error) {
	return ask(ctx, c, "eth_maxPriorityFeePerGas", c.eth.SuggestGasTipCap)
}

func (c *client) Send(ctx context.Context, tx *types.Transaction) error {
	_, err := ask(ctx, c, "eth_sendRawTransaction", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.eth.SendTransaction(ctx, tx)
	})
	return err
}

func (c *client) Transaction(ctx context.Context, hash common.Hash) (*types.Transaction, error) {
	return ask(ctx, c, "eth_getTransactionByHash", func(ctx context.Context) (*types.Transaction, error) {
		tx, _, err := c.eth.TransactionByHash(ctx, hash)
		return tx, err
	})
}

func (c *client) Receipt(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	return ask(ctx, c, "eth_getTransactionReceipt", func(ctx context.Context) (*types.Receipt, error) {
		return c.eth.TransactionReceipt(ctx, hash)
	})
}

func (c *client) Nonces(ctx context.Context, a common.Address) (mined, pending uint64, err error) {
	mined, err = ask(ctx, c, "eth_getTransactionCount", func(ctx context.Context) (uint64, error) { return c.eth.NonceAt(ctx, a, nil) })
	if err != nil {
		return 0, 0, err
	}
	pending, err = ask(ctx, c, "eth_getTransactionCount", func(ctx context.Context) (uint64, error) { return c.eth.PendingNonceAt(ctx, a) })
	return mined, max(mined, pending), err
}
