package execute

import (
	"errors"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/ethereum/go-ethereum/triedb"

	"github.com/flexemu/flexemu/examples/preimage"
)

var errNoPreimage = errors.New("no such entry: only nodes and code are pre-images")

// A store is go-ethereum's key-value store over pre-images. go-ethereum keeps a trie node under its
// hash and code under a prefix and its hash; both are asked for when they are first read, and kept.
type store struct {
	*memorydb.Database
	source preimage.Source

	// The state updates the storage of several contracts at a time.
	mu sync.Mutex

	// err is the first failure of the source, guarded by mu. The EVM has no way to hand on an error of
	// its state.
	err error
}

// openState is the state with that root.
func openState(source preimage.Source, root common.Hash) (*state.StateDB, *store, error) {
	kept := &store{Database: memorydb.New(), source: source}
	disk := rawdb.NewDatabase(kept)
	db := state.NewMPTDatabase(triedb.NewDatabase(disk, triedb.HashDefaults), state.NewCodeDB(disk))
	opened, err := state.New(root, db)
	if failure := kept.failure(); failure != nil {
		err = failure // what the state makes of it says less
	}
	return opened, kept, err
}

// Get returns the trie node or the code with that key.
func (s *store) Get(key []byte) ([]byte, error) {
	if data, err := s.Database.Get(key); err == nil {
		return data, nil
	}
	hash := key
	if isCode, codeHash := rawdb.IsCodeKey(key); isCode {
		hash = codeHash
	}
	if len(hash) != common.HashLength {
		return nil, errNoPreimage
	}
	data, err := s.ask(preimage.Keccak256(common.Hash(hash)))
	if err != nil {
		return nil, err
	}
	return data, s.Put(key, data)
}

// ask passes a request on to the source and remembers its first failure.
func (s *store) ask(key preimage.Key) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, err := s.source(key)
	if err != nil && s.err == nil {
		s.err = err
	}
	return data, err
}

// Has tells whether Get has something.
func (s *store) Has(key []byte) (bool, error) {
	_, err := s.Get(key)
	return err == nil, nil
}

// failure is the first failure of the source.
func (s *store) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
