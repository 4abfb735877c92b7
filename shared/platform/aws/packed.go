package aws

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// plainBytes is up to which size a document stays JSON. A write costs a unit for
// each begun KB of its row, whose keys and names take some 300 bytes.
const plainBytes = 600

// mostUnpacked bounds what a packed document may become, in bytes: DynamoDB
// takes rows of 400 KB.
const mostUnpacked = 16 << 20

// packers pools compressors, which are large.
var packers = sync.Pool{New: func() any {
	z, err := flate.NewWriter(io.Discard, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is one that there is
	}
	return z
}}

// packed encodes a value as JSON, deflated where that would take a second unit.
func packed(v any) (types.AttributeValue, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if len(raw) <= plainBytes {
		return text(string(raw)), nil
	}
	var b bytes.Buffer
	z := packers.Get().(*flate.Writer)
	defer packers.Put(z)
	z.Reset(&b)
	if _, err := z.Write(raw); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return &types.AttributeValueMemberB{Value: b.Bytes()}, nil
}

// unpacked is the JSON of an attribute, packed or not; empty when it is not there.
func unpacked(row item, name string) ([]byte, error) {
	b, ok := row[name].(*types.AttributeValueMemberB)
	if !ok {
		return []byte(textOf(row, name)), nil
	}
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b.Value)), mostUnpacked))
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", name, err)
	}
	return raw, nil
}

// same reports whether an attribute of two rows is the same document.
func same(a, b item, name string) bool {
	packedA, isA := a[name].(*types.AttributeValueMemberB)
	packedB, isB := b[name].(*types.AttributeValueMemberB)
	if isA && isB {
		return bytes.Equal(packedA.Value, packedB.Value)
	}
	return isA == isB && textOf(a, name) == textOf(b, name)
}
