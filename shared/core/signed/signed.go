// Package signed holds what a stage hands to callers and takes back on trust:
// query ids and feedback receipts, each with a signature by the stage's own
// key. An id says of itself whose query it is, how it was answered and until
// when it may be asked for, so that a query that is still unfinished needs no
// stored record. It is pure: keys, random numbers and time are passed in.
package signed

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"strings"
	"sync"
	"time"
)

// ErrForged says that a text is no id, or no receipt, that this stage signed.
var ErrForged = errors.New("not signed by this stage")

// Kind says how a query is kept.
type Kind byte

// The kinds of query.
const (
	// Direct: answered within its request. No record is written, but for a
	// sampled share.
	Direct Kind = 'd'
	// Stored: its end is written to the store.
	Stored Kind = 's'
)

// OwnerHash stands for an owner in ids and table keys. An owner cannot be
// found from it but by trying.
type OwnerHash [12]byte

// HashOwner returns the hash of an owner.
func HashOwner(owner string) OwnerHash {
	sum := sha256.Sum256([]byte("paragon owner\x00" + owner))
	return OwnerHash(sum[:len(OwnerHash{})])
}

// String returns the hash in hexadecimal digits.
func (h OwnerHash) String() string { return fmt.Sprintf("%x", h[:]) }

// ID is what a query id says. Times have a resolution of a millisecond.
type ID struct {
	Kind       Kind
	Owner      OwnerHash
	AcceptedAt time.Time
	// ExpiresAt is when an unfinished query may be settled as expired.
	ExpiresAt time.Time
	// ForgetAt is the end of retention: the id names nothing after it.
	ForgetAt time.Time
	Nonce    [8]byte
}

// NewID returns an id with a nonce from random.
func NewID(random io.Reader, kind Kind, owner string, acceptedAt, expiresAt, forgetAt time.Time) (ID, error) {
	id := ID{Kind: kind, Owner: HashOwner(owner), AcceptedAt: acceptedAt, ExpiresAt: expiresAt, ForgetAt: forgetAt}
	if _, err := io.ReadFull(random, id.Nonce[:]); err != nil {
		return id, fmt.Errorf("make a query id: %w", err)
	}
	return id, nil
}

// Sizes of an id's parts, in bytes: time of acceptance, kind, owner, expiry and
// end of retention in milliseconds after acceptance, nonce, signature.
const (
	timeBytes  = 6
	afterBytes = 5
	macBytes   = 10
	idBytes    = timeBytes + 1 + len(OwnerHash{}) + 2*afterBytes + 8
)

// idText keeps the order of the bytes, so that ids sort by their time of acceptance.
var idText = base32.HexEncoding.WithPadding(base32.NoPadding)

// prefix starts every id.
const prefix = "q"

// idLength is the number of characters of an id.
var idLength = len(prefix) + idText.EncodedLen(idBytes+macBytes)

// Keys signs with one key and also takes what an earlier one signed, so that a
// key can be changed while ids and receipts of the last one are in use.
type Keys struct {
	current key
	earlier []key
}

// key is a secret, and hashes that have taken it in already: that is half of the work of
// a short signature, and each answer has two.
type key struct {
	secret []byte
	hashes *sync.Pool
}

func newKey(secret []byte) key {
	return key{secret, &sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}
}

// minKeyBytes is the least length of a key.
const minKeyBytes = 16

// NewKeys returns the keys of a stage. Each has at least 16 bytes.
func NewKeys(current []byte, earlier ...[]byte) (Keys, error) {
	for _, k := range append([][]byte{current}, earlier...) {
		if len(k) < minKeyBytes {
			return Keys{}, fmt.Errorf("a signing key has %d bytes; at least %d are required", len(k), minKeyBytes)
		}
	}
	k := Keys{current: newKey(current)}
	for _, secret := range earlier {
		k.earlier = append(k.earlier, newKey(secret))
	}
	return k, nil
}

// mac is the signature of a payload for one purpose.
func (k key) mac(purpose string, payload []byte) []byte {
	h := k.hashes.Get().(hash.Hash)
	defer k.hashes.Put(h)
	h.Reset()
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write(payload)
	return h.Sum(nil)[:macBytes]
}

// valid reports whether one of the keys made a signature.
func (k Keys) valid(purpose string, payload, sum []byte) bool {
	if k.current.secret == nil {
		return false
	}
	for _, key := range append([]key{k.current}, k.earlier...) {
		if subtle.ConstantTimeCompare(key.mac(purpose, payload), sum) == 1 {
			return true
		}
	}
	return false
}

// The purposes of a signature: one made for an id is no receipt's.
const (
	forID      = "id"
	forReceipt = "receipt"
	forOffer   = "offer"
	// forCallbacks is of keys, not of a signature.
	forCallbacks = "callbacks"
)

// ForCallbacks returns keys of their own for callbacks: the current one's first, and then
// those of earlier ones.
func (k Keys) ForCallbacks() (keys [][]byte) {
	for _, key := range append([]key{k.current}, k.earlier...) {
		h := hmac.New(sha256.New, key.secret)
		h.Write([]byte(forCallbacks))
		h.Write([]byte{0})
		keys = append(keys, h.Sum(nil))
	}
	return keys
}

// SignID returns an id as text: one word of letters and digits. Ids sort by
// their time of acceptance.
func (k Keys) SignID(id ID) string {
	b := make([]byte, 0, idBytes+macBytes)
	b = appendUint(b, uint64(id.AcceptedAt.UnixMilli()), timeBytes)
	b = append(b, byte(id.Kind))
	b = append(b, id.Owner[:]...)
	b = appendUint(b, uint64(max(0, id.ExpiresAt.Sub(id.AcceptedAt).Milliseconds())), afterBytes)
	b = appendUint(b, uint64(max(0, id.ForgetAt.Sub(id.AcceptedAt).Milliseconds())), afterBytes)
	b = append(b, id.Nonce[:]...)
	b = append(b, k.current.mac(forID, b)...)
	return prefix + strings.ToLower(idText.EncodeToString(b))
}

// appendUint appends the low size bytes of n, the highest first.
func appendUint(b []byte, n uint64, size int) []byte {
	var all [8]byte
	binary.BigEndian.PutUint64(all[:], n)
	return append(b, all[8-size:]...)
}

// takeUint reads what appendUint appended.
func takeUint(b []byte, size int) (uint64, []byte) {
	var all [8]byte
	copy(all[8-size:], b[:size])
	return binary.BigEndian.Uint64(all[:]), b[size:]
}

// ParseID reads an id. ErrForged when it is none that this stage signed.
func (k Keys) ParseID(text string) (ID, error) {
	b, err := decodeID(text)
	if err != nil || !k.valid(forID, b[:idBytes], b[idBytes:]) {
		return ID{}, ErrForged
	}
	return readID(b), nil
}

// PeekID reads an id without looking at its signature: for finding where the
// record of an id lies that its holder has parsed with the keys, or made itself.
func PeekID(text string) (ID, error) {
	b, err := decodeID(text)
	if err != nil {
		return ID{}, err
	}
	return readID(b), nil
}

// LowestID is the lower bound, in the order of text, of the ids of queries that
// were accepted at that time or later.
func LowestID(acceptedAt time.Time) string {
	atMS := acceptedAt.Add(time.Millisecond - time.Nanosecond).UnixMilli() // rounded up
	b := appendUint(nil, uint64(max(0, atMS)), timeBytes)
	return prefix + strings.ToLower(idText.EncodeToString(b))
}

// decodeID returns the bytes of an id's text.
func decodeID(text string) ([]byte, error) {
	if len(text) != idLength || !strings.HasPrefix(text, prefix) || strings.ToLower(text) != text {
		return nil, ErrForged
	}
	b, err := idText.DecodeString(strings.ToUpper(text[len(prefix):]))
	if err != nil || len(b) != idBytes+macBytes {
		return nil, ErrForged
	}
	if prefix+strings.ToLower(idText.EncodeToString(b)) != text { // one id, one spelling
		return nil, ErrForged
	}
	return b, nil
}

// readID reads the bytes of an id.
func readID(b []byte) (id ID) {
	accepted, b := takeUint(b, timeBytes)
	id.Kind, b = Kind(b[0]), b[1:]
	b = b[copy(id.Owner[:], b):]
	expires, b := takeUint(b, afterBytes)
	forget, b := takeUint(b, afterBytes)
	copy(id.Nonce[:], b)
	id.AcceptedAt = time.UnixMilli(int64(accepted)).UTC()
	id.ExpiresAt = id.AcceptedAt.Add(time.Duration(expires) * time.Millisecond)
	id.ForgetAt = id.AcceptedAt.Add(time.Duration(forget) * time.Millisecond)
	return id
}

// Shards is over how many partitions an owner's records are spread: each is
// good for 1,000 writes a second.
const Shards = 16

// Shard returns the shard of an id, from 0 to Shards-1.
func Shard(id string) int { return int(spread(id) % Shards) }

// Kept reports whether a direct answer of this id is kept as a sample: a share
// of them from 0 to 1, chosen by the id alone and thus before anything is known
// of the outcome.
func Kept(id string, share float64) bool {
	return float64(spread("keep "+id)%1_000_000) < share*1_000_000
}

// Drawn says whether an id is among the share of ids, from 0 to 1, that a name draws.
// Each name draws others.
func Drawn(id, name string, share float64) bool {
	return float64(spread("draw "+name+" "+id)%1_000_000) < share*1_000_000
}

func spread(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	n := h.Sum64()
	n ^= n >> 33 // FNV's low bits of like texts are alike: mix them (MurmurHash3's finalizer)
	n *= 0xff51afd7ed558ccd
	n ^= n >> 33
	return n
}

// SignOffer returns the proof, for a peer, that a query is offered by a worker of
// this stage.
func (k Keys) SignOffer(id string) string {
	return base64.RawURLEncoding.EncodeToString(k.current.mac(forOffer, []byte(id)))
}

// ValidOffer reports whether a proof is this stage's, for the query of an id.
func (k Keys) ValidOffer(id, proof string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(proof)
	return err == nil && k.valid(forOffer, []byte(id), sum)
}

// Receipt entitles the caller of a direct answer to say whether it was right.
type Receipt struct {
	ID     string    `json:"id"`
	Owner  OwnerHash `json:"-"`
	Task   string    `json:"task"`
	Model  string    `json:"model"`
	Digest string    `json:"digest,omitempty"` // of the model's file
	Label  string    `json:"label"`            // as it was answered
	Until  time.Time `json:"until"`
}

// receiptBody is a receipt on its way.
type receiptBody struct {
	Receipt
	Owner []byte `json:"owner"`
}

// SignReceipt returns a receipt as text.
func (k Keys) SignReceipt(r Receipt) (string, error) {
	body, err := json.Marshal(receiptBody{r, r.Owner[:]})
	if err != nil {
		return "", fmt.Errorf("sign a receipt: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(k.current.mac(forReceipt, body), body...)), nil
}

// maxReceipt bounds a receipt's text, in bytes.
const maxReceipt = 2048

// ParseReceipt reads a receipt. ErrForged when it is none that this stage signed.
func (k Keys) ParseReceipt(text string) (Receipt, error) {
	if len(text) > maxReceipt {
		return Receipt{}, ErrForged
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < macBytes || !k.valid(forReceipt, b[macBytes:], b[:macBytes]) {
		return Receipt{}, ErrForged
	}
	var body receiptBody
	if err := json.Unmarshal(b[macBytes:], &body); err != nil || len(body.Owner) != len(OwnerHash{}) {
		return Receipt{}, ErrForged
	}
	body.Receipt.Owner = OwnerHash(body.Owner)
	return body.Receipt, nil
}
