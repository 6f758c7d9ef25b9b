package eth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// A Wish is a transaction that somebody wants to be in the chain.
type Wish struct {
	// Key tells wishes apart. Two with the same key are the same wish, and only one transaction for it is under way.
	Key   string
	To    *common.Address // nil: it deploys a contract
	Data  []byte
	Value *big.Int // wei; nil: none
	Gas   uint64   // limit; 0: it is estimated
	Why   string   // for people
}

// A Mined is a transaction that got into a block.
type Mined struct {
	Wish
	Receipt *types.Receipt
	// Cancelled tells that it was replaced by one that does nothing, because nobody wanted it any more.
	Cancelled bool
}

// SenderOptions say how a sender behaves. The zero value is of use.
type SenderOptions struct {
	// MaxFee is the most it pays for a unit of gas, in wei; nil stands for DefaultMaxFee.
	MaxFee *big.Int
	// Stuck is how long a transaction may wait before it is sent again for more, and how long those that an earlier
	// process has left are waited for; 0 stands for DefaultStuck.
	Stuck time.Duration
	// Depth is how many blocks have to follow a transaction until it is forgotten; 0 stands for DefaultDepth. A
	// reorganisation that goes deeper finds the sender as if it had been started anew.
	Depth uint64
	// Now is the clock; nil stands for the host's.
	Now func() time.Time
	// Mined, if it is not nil, is called for each transaction that got into a block: again, if the block was undone
	// and it got into another.
	Mined func(Mined)
	Log   *slog.Logger // nil: nothing is logged
}

const (
	DefaultStuck = 90 * time.Second
	DefaultDepth = 64
)

// DefaultMaxFee is 500 gwei.
var DefaultMaxFee = big.NewInt(500 * params.GWei)

// ErrSettling is wrapped by the error of Submit while transactions of the account wait that this sender does not know.
var ErrSettling = errors.New("transactions of an earlier run are waiting")

// ErrTooDear is wrapped by the error of Submit when the chain asks for more than MaxFee.
var ErrTooDear = errors.New("gas is dearer than the limit")

// A Sender gets transactions of one account into blocks. It numbers them itself, so that several can be under way; it
// raises their price when they are stuck, sends them again when they are lost, and cancels those that nobody wants any
// more. What a node forgets or what a reorganisation undoes makes no difference. It is to be used by one goroutine.
type Sender struct {
	node    Node
	account Signer
	chain   *big.Int
	o       SenderOptions
	began   time.Time
	out     []*outgoing // by nonce, without gaps
}

// An outgoing is a transaction under way, or one that is in a block that may still be undone.
type outgoing struct {
	Wish
	nonce uint64
	gas   uint64
	// versions differ in their price only, but for the last one if cancelled: that does nothing.
	versions  []*types.Transaction
	cancelled bool
	sent      time.Time // the last version
	mined     *types.Receipt
	vanished  int // how often no receipt was found although the nonce is used
}

// NewSender makes a sender for an account on a node's chain.
func NewSender(ctx context.Context, n Node, account Signer, o SenderOptions) (*Sender, error) {
	if o.MaxFee == nil {
		o.MaxFee = DefaultMaxFee
	}
	if o.Stuck == 0 {
		o.Stuck = DefaultStuck
	}
	if o.Depth == 0 {
		o.Depth = DefaultDepth
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	chain, err := n.ChainID(ctx)
	if err != nil {
		return nil, err
	}
	return &Sender{node: n, account: account, chain: chain, o: o, began: o.Now()}, nil
}

// Account is whose transactions are sent.
func (s *Sender) Account() common.Address { return s.account.Address() }

// Pending is the number of transactions under way.
func (s *Sender) Pending() int {
	n := 0
	for _, o := range s.out {
		if o.mined == nil {
			n++
		}
	}
	return n
}

// Collect finds out which transactions are in blocks by now, and which are not any more.
func (s *Sender) Collect(ctx context.Context) error {
	if len(s.out) == 0 {
		return nil
	}
	head, err := s.node.Block(ctx, nil)
	if err != nil {
		return err
	}
	mined, _, err := s.node.Nonces(ctx, s.Account())
	if err != nil {
		return err
	}
	for _, o := range s.out {
		if err := s.look(ctx, o, o.nonce < mined); err != nil {
			return err
		}
	}
	s.out = slices.DeleteFunc(s.out, func(o *outgoing) bool {
		// Those behind a transaction must stay while it does: together they have no gaps.
		deep := o.mined != nil && o.mined.BlockNumber.Uint64()+s.o.Depth <= head.Number
		return deep || o.vanished > maxVanished
	})
	return nil
}

// maxVanished is how often a receipt is looked for before another transaction of the account is taken to have been sent
// by somebody else. Behind one address there may be several nodes, of which some lag.
const maxVanished = 3

// look finds out whether a transaction is in a block; used tells whether its nonce is.
func (s *Sender) look(ctx context.Context, o *outgoing, used bool) error {
	if !used {
		if o.mined != nil {
			s.o.Log.Warn("a block with a transaction of ours was undone", "what", o.Why, "tx", o.mined.TxHash)
			o.mined, o.sent = nil, time.Time{}
		}
		o.vanished = 0
		return nil
	}
	for i := len(o.versions) - 1; i >= 0; i-- {
		r, err := s.node.Receipt(ctx, o.versions[i].Hash())
		if errors.Is(err, ethereum.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		o.vanished = 0
		if o.mined == nil || o.mined.BlockHash != r.BlockHash {
			o.mined = r
			if s.o.Mined != nil {
				s.o.Mined(Mined{o.Wish, r, o.cancelled && i == len(o.versions)-1})
			}
		}
		return nil
	}
	if o.vanished++; o.vanished > maxVanished {
		s.o.Log.Warn("another transaction has the number of ours: does somebody else use this account?", "what", o.Why, "nonce", o.nonce)
	}
	return nil
}

// Submit sends a transaction for a wish, unless one is under way or in a block after the block number seen, which is
// that of the state in which the wish was made. It reports whether it has. An error for which Reverted gives true says
// that the transaction would fail.
func (s *Sender) Submit(ctx context.Context, w Wish, seen uint64) (bool, error) {
	for _, o := range s.out {
		if o.Key == w.Key && !o.cancelled && (o.mined == nil || o.mined.BlockNumber.Uint64() > seen) {
			return false, nil
		}
	}
	nonce, err := s.next(ctx)
	if err != nil {
		return false, err
	}
	o := &outgoing{Wish: w, nonce: nonce, gas: w.Gas}
	if o.gas == 0 {
		m := ethereum.CallMsg{From: s.Account(), To: w.To, Value: w.Value, Data: w.Data}
		if o.gas, err = s.node.Estimate(ctx, m); err != nil {
			return false, err
		}
		o.gas += o.gas/5 + 10_000 // others may move first, and make it a little dearer
		o.gas = min(o.gas, params.MaxTxGas)
	}
	if err := s.send(ctx, o, false); err != nil {
		return false, err
	}
	s.out = append(s.out, o)
	return true, nil
}

// next is the number of the next new transaction.
func (s *Sender) next(ctx context.Context) (uint64, error) {
	mined, pending, err := s.node.Nonces(ctx, s.Account())
	if err != nil {
		return 0, err
	}
	if len(s.out) > 0 {
		return max(mined, s.out[len(s.out)-1].nonce+1), nil
	}
	if pending > mined && s.o.Now().Sub(s.began) < s.o.Stuck {
		return 0, fmt.Errorf("%d %w", pending-mined, ErrSettling)
	}
	// What still waits then is replaced: whatever it was, it is wished for again if it is needed.
	return mined, nil
}

// Chase looks after what is under way, at a moment when exactly the given wishes are wanted: it raises prices, sends
// again what got lost, and replaces what nobody wants by nothing.
func (s *Sender) Chase(ctx context.Context, wanted map[string]bool) error {
	if s.Pending() == 0 {
		return nil
	}
	mined, pending, err := s.node.Nonces(ctx, s.Account())
	if err != nil {
		return err
	}
	if err := s.close(ctx, mined); err != nil {
		return err
	}
	var failed error
	for _, o := range s.out {
		if o.mined != nil || o.nonce < mined {
			continue
		}
		waits := s.o.Now().Sub(o.sent)
		switch {
		case waits >= s.o.Stuck:
			o.cancelled = o.cancelled || o.Key != "" && !wanted[o.Key]
			err = s.send(ctx, o, true)
		case o.nonce >= pending && waits > s.o.Stuck/8:
			err = s.again(ctx, o)
		default:
			continue
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s (nonce %d): %w", o.Why, o.nonce, err))
		}
	}
	return failed
}

// close fills the gap before the first transaction that waits, if there is one: then none of them can be mined.
func (s *Sender) close(ctx context.Context, mined uint64) error {
	first := slices.IndexFunc(s.out, func(o *outgoing) bool { return o.mined == nil && o.nonce >= mined })
	if first < 0 {
		return nil
	}
	end := s.out[first].nonce
	if first > 0 {
		mined = max(mined, s.out[first-1].nonce+1)
	}
	for nonce := mined; nonce < end; nonce++ {
		o := &outgoing{Wish: Wish{Why: "fills a gap"}, nonce: nonce, cancelled: true}
		if err := s.send(ctx, o, false); err != nil {
			return fmt.Errorf("fill the gap at nonce %d: %w", nonce, err)
		}
		s.out = slices.Insert(s.out, first, o)
		first++
	}
	return nil
}

// again sends what a node may have forgotten, unchanged.
func (s *Sender) again(ctx context.Context, o *outgoing) error {
	err := s.node.Send(ctx, o.versions[len(o.versions)-1])
	if err == nil || says(err, known) || says(err, tooLow) {
		return nil
	}
	return err
}

// What nodes say, in lower case.
var (
	known       = []string{"already known", "already imported", "known transaction", "alreadyknown"}
	tooLow      = []string{"nonce too low", "nonce is too low"}
	underpriced = []string{"underpriced", "replacement", "fee too low"}
)

func says(err error, words []string) bool {
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// send signs and sends a new version: the first one for what is usual now, others for more than the last one.
func (s *Sender) send(ctx context.Context, o *outgoing, more bool) error {
	tip, feeCap, err := s.price(ctx)
	if err != nil {
		return err
	}
	if n := len(o.versions); n > 0 {
		last := o.versions[n-1]
		if more {
			tip, feeCap = larger(tip, raised(last.GasTipCap())), larger(feeCap, raised(last.GasFeeCap()))
		}
		if feeCap.Cmp(s.o.MaxFee) > 0 && last.GasFeeCap().Cmp(s.o.MaxFee) >= 0 {
			return s.again(ctx, o) // there is no more to offer
		}
	}
	for {
		feeCap = smaller(feeCap, s.o.MaxFee)
		tx, err := s.sign(o, smaller(tip, feeCap), feeCap)
		if err != nil {
			return err
		}
		err = s.node.Send(ctx, tx)
		switch {
		case err == nil || says(err, known):
			if more {
				s.o.Log.Info("sent again for more", "what", o.Why, "nonce", o.nonce, "feeCap", feeCap)
			}
			o.versions, o.sent = append(o.versions, tx), s.o.Now()
			return nil
		case !says(err, underpriced) || feeCap.Cmp(s.o.MaxFee) >= 0:
			return err
		}
		// Another one has this number: one of an earlier run, or the last version.
		tip, feeCap = raised(tip), raised(feeCap)
	}
}

// price is what the next block is offered: twice its base fee, which takes six full blocks to get there.
func (s *Sender) price(ctx context.Context) (tip, feeCap *big.Int, err error) {
	head, err := s.node.Block(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	if head.BaseFee.Cmp(s.o.MaxFee) > 0 {
		return nil, nil, fmt.Errorf("%w: %v wei at block %d, --max-fee is %v", ErrTooDear, head.BaseFee, head.Number, s.o.MaxFee)
	}
	if tip, err = s.node.Tip(ctx); err != nil {
		return nil, nil, err
	}
	feeCap = new(big.Int).Add(tip, new(big.Int).Lsh(head.BaseFee, 1))
	return tip, feeCap, nil
}

func (s *Sender) sign(o *outgoing, tip, feeCap *big.Int) (*types.Transaction, error) {
	d := &types.DynamicFeeTx{
		ChainID: s.chain, Nonce: o.nonce, GasTipCap: tip, GasFeeCap: feeCap,
		Gas: o.gas, To: o.To, Value: o.Value, Data: o.Data,
	}
	if o.cancelled {
		to := s.Account()
		d.Gas, d.To, d.Value, d.Data = params.TxGas, &to, nil, nil
	}
	return s.account.Sign(types.NewTx(d), s.chain)
}

// raised is a quarter more; nodes ask for a tenth.
func raised(fee *big.Int) *big.Int {
	more := new(big.Int).Rsh(fee, 2)
	return more.Add(more, fee).Add(more, big.NewInt(1))
}

func larger(a, b *big.Int) *big.Int {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}

func smaller(a, b *big.Int) *big.Int {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

// pushPoll is how often Push looks for a block.
const pushPoll = 200 * time.Millisecond

// Push gets one transaction into a block, and returns when done says so, which Mined may have told it.
func (s *Sender) Push(ctx context.Context, w Wish, done func() bool) error {
	for ctx.Err() == nil {
		head, err := s.node.Block(ctx, nil)
		if err != nil {
			return err
		}
		_, err = s.Submit(ctx, w, head.Number)
		if err != nil && !errors.Is(err, ErrSettling) {
			return err
		}
		for err == nil && ctx.Err() == nil {
			if err := s.Collect(ctx); err != nil {
				return err
			}
			if done() {
				return nil
			}
			if err := s.Chase(ctx, map[string]bool{w.Key: true}); err != nil {
				return err
			}
			pause(ctx)
		}
		pause(ctx)
	}
	return context.Cause(ctx)
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(pushPoll):
	}
}
