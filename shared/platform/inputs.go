package platform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// MessageInputBytes is the most bytes of an input that a message itself carries
// where the platform keeps larger ones apart.
const MessageInputBytes = pricing.HandOverKB << 10

// Inputs keeps the inputs that are too large for a message while their queries
// are on a queue.
type Inputs interface {
	// PutInput keeps the input of an owner's query for a day and returns the URI by
	// which Blob finds it. To put it again changes nothing.
	PutInput(ctx context.Context, owner, id string, data []byte) (uri string, err error)
}

// Digest is the SHA-256 of an input's bytes, in hexadecimal.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// blobReader is what ReadInput needs of Blobs.
type blobReader interface {
	Blob(ctx context.Context, owner, uri string, limit int) ([]byte, error)
}

// inputChanged is an input that is another one than its query was accepted with, which
// is gone with that.
type inputChanged struct{ bytes int }

func (e inputChanged) Error() string {
	return fmt.Sprintf("the input was changed after the query was accepted: its %d bytes have another SHA-256", e.bytes)
}

func (e inputChanged) Is(target error) bool { return target == ErrNotFound }

// ReadInput returns a message's input with its bytes, which it fetches if they
// are kept apart, at most limit of them. ErrNotFound, too, when they are not the
// ones that the message's digest is of.
func ReadInput(ctx context.Context, b blobReader, m query.Message, limit int) (query.Input, error) {
	in := m.Input
	if in.URI == "" {
		return in, nil
	}
	data, err := b.Blob(ctx, m.Owner, in.URI, limit)
	if err != nil {
		return in, fmt.Errorf("get the input: %w", err)
	}
	if in.SHA256 != "" && Digest(data) != in.SHA256 {
		return in, inputChanged{len(data)}
	}
	return query.Input{ContentType: in.ContentType, Data: data, Decoding: in.Decoding}, nil
}
