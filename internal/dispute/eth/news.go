package eth

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// News is something that has happened in a task.
type News struct {
	Event string // its name in the contract
	Text  string // for people
	Block uint64
	Tx    common.Hash
}

// News returns what has happened in the task up to the last block that was read, and was not returned before.
func (r *Reader) News() []News {
	var news []News
	for _, l := range r.log.events {
		id := logID{l.BlockHash, l.Index}
		if r.told[id] {
			continue
		}
		r.told[id] = true
		e, err := gameABI().EventByID(l.Topics[0])
		if err != nil {
			continue
		}
		if text := r.tell(e.Name, l); text != "" {
			news = append(news, News{e.Name, text, l.BlockNumber, l.TxHash})
		}
	}
	return news
}

// tell makes a sentence of an event. Claims, matches and tournaments have their positions as names.
func (r *Reader) tell(name string, l types.Log) string {
	e := gameABI().Events[name]
	values, err := e.Inputs.NonIndexed().Unpack(l.Data)
	if err != nil {
		return ""
	}
	position := func(ids []common.Hash, id common.Hash) int { return positions(ids)(id) }
	claim := func(id common.Hash) string { return fmt.Sprintf("claim %d", position(r.log.claims, id)) }
	match := func(id common.Hash) string { return fmt.Sprintf("match %d", position(r.log.matches, id)) }
	tournament := func(id common.Hash) string { return fmt.Sprintf("tournament %d", position(r.log.tournaments, id)) }
	account := func(topic common.Hash) string { return Short(common.BytesToAddress(topic[:])) }
	word := func(i int) common.Hash { return values[i].([32]byte) }
	switch name {
	case "TournamentOpened":
		return fmt.Sprintf("%s opens, at level %v, from root %s", tournament(l.Topics[2]), values[0], shortHash(word(2)))
	case "Joined":
		return fmt.Sprintf("%s claims in %s that the last root is %s (%s)", account(l.Topics[3]), tournament(l.Topics[1]), shortHash(word(2)), claim(l.Topics[2]))
	case "Paired":
		return fmt.Sprintf("%s and %s meet in %s, round %v (%s)", claim(word(0)), claim(word(1)), tournament(l.Topics[1]), values[2], match(l.Topics[2]))
	case "Moved":
		return fmt.Sprintf("%s: %s moves", match(l.Topics[1]), account(l.Topics[2]))
	case "Sealed":
		return fmt.Sprintf("%s: %s moves; from root %s, leaf %v is %s or %s", match(l.Topics[1]), account(l.Topics[2]), shortHash(word(1)), values[0], shortHash(word(2)), shortHash(word(3)))
	case "Proven":
		return fmt.Sprintf("%s: %s proves that the step leads to %s", match(l.Topics[1]), account(l.Topics[2]), shortHash(word(0)))
	case "TimedOut":
		return fmt.Sprintf("%s: out of time, says %s", match(l.Topics[1]), account(l.Topics[2]))
	case "Refuted":
		return fmt.Sprintf("%s: %s refutes its leaf %v", claim(l.Topics[1]), account(l.Topics[2]), values[0])
	case "Out":
		return fmt.Sprintf("%s is out of %s", claim(l.Topics[2]), tournament(l.Topics[1]))
	case "Advanced":
		return fmt.Sprintf("%s goes on to round %v of %s", claim(l.Topics[2]), values[0], tournament(l.Topics[1]))
	case "Finished":
		if l.Topics[2] == (common.Hash{}) {
			return fmt.Sprintf("%s ends, and nobody has won", tournament(l.Topics[1]))
		}
		return fmt.Sprintf("%s ends: %s has won, with the last root %s", tournament(l.Topics[1]), claim(l.Topics[2]), shortHash(word(0)))
	case "Withdrawn":
		return fmt.Sprintf("%s gets %s", account(l.Topics[2]), Ether(values[0].(*big.Int)))
	}
	return ""
}

// Short is an address for people who know which ones it can be.
func Short(a common.Address) string { return fmt.Sprintf("%x…", a[:4]) }

func shortHash(h common.Hash) string { return fmt.Sprintf("%x…", h[:4]) }

// Ether writes wei as people do.
func Ether(wei *big.Int) string {
	text := new(big.Rat).SetFrac(wei, big.NewInt(1e18)).FloatString(6)
	return text + " ETH"
}
