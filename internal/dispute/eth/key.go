package eth

import (
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// A Signer signs transactions of an account.
type Signer interface {
	Address() common.Address
	Sign(tx *types.Transaction, chain *big.Int) (*types.Transaction, error)
}

type key struct {
	*ecdsa.PrivateKey
	address common.Address
}

// NewSigner makes a signer of a private key.
func NewSigner(k *ecdsa.PrivateKey) Signer { return key{k, crypto.PubkeyToAddress(k.PublicKey)} }

func (k key) Address() common.Address { return k.address }

func (k key) Sign(tx *types.Transaction, chain *big.Int) (*types.Transaction, error) {
	return types.SignTx(tx, types.LatestSignerForChainID(chain), k.PrivateKey)
}

// ReadKey reads a private key of 64 hexadecimal digits, which may have 0x before them.
func ReadKey(file string) (Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	k, err := crypto.HexToECDSA(strings.TrimPrefix(strings.TrimSpace(string(text)), "0x"))
	if err != nil {
		return nil, fmt.Errorf("key file %s: it is not a private key of 64 hexadecimal digits", file) // err may show some
	}
	return NewSigner(k), nil
}

// ReadKeystore reads a key that a wallet has encrypted with a password.
func ReadKeystore(file, password string) (Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	k, err := keystore.DecryptKey(text, password)
	if err != nil {
		return nil, fmt.Errorf("keystore %s: %w", file, err)
	}
	return NewSigner(k.PrivateKey), nil
}
