package aws

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"
)

// What is packed is read again as it was, whatever its size, and is the same as
// nothing but itself.
func TestPackedIsReadAsItWas(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		row := func(v string) item {
			a, err := packed(v)
			if err != nil {
				r.Fatal(err)
			}
			return item{"doc": a}
		}
		some := rapid.SliceOfN(rapid.StringMatching(`[a-z" ]{0,40}`), 0, 60)
		a, b := strings.Join(some.Draw(r, "a"), ","), strings.Join(some.Draw(r, "b"), ",")
		var got string
		if err := read(row(a), "doc", &got); err != nil || got != a {
			r.Fatalf("%q, error %v, want %q", got, err, a)
		}
		if same(row(a), row(b), "doc") != (a == b) {
			r.Fatalf("%q and %q: the same is not %v", a, b, a == b)
		}
	})
}

// A small document can be read in the console, and a larger one takes less.
func TestWhatIsPacked(t *testing.T) {
	for n, plain := range map[int]bool{10: true, plainBytes: true, plainBytes + 1: false, 4000: false} {
		a, err := packed(strings.Repeat("a", n-2))
		if err != nil {
			t.Fatal(err)
		}
		if _, is := a.(*types.AttributeValueMemberS); is != plain {
			t.Errorf("%d bytes: %T", n, a)
		}
	}
	if err := read(item{"doc": &types.AttributeValueMemberB{Value: []byte("torn")}}, "doc", new(json.RawMessage)); err == nil {
		t.Error("what cannot be unpacked is no error")
	}
}
