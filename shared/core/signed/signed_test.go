package signed

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func keys(t interface{ Fatal(...any) }, texts ...string) Keys {
	var all [][]byte
	for _, s := range texts {
		all = append(all, []byte(strings.Repeat(s, minKeyBytes)))
	}
	k, err := NewKeys(all[0], all[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var start = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func drawID(t *rapid.T) ID {
	accepted := start.Add(time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "accepted ms")) * time.Millisecond)
	expires := accepted.Add(time.Duration(rapid.Int64Range(0, 1e7).Draw(t, "expires after ms")) * time.Millisecond)
	id := ID{Kind: rapid.SampledFrom([]Kind{Direct, Stored}).Draw(t, "kind"), Owner: HashOwner(rapid.String().Draw(t, "owner")),
		AcceptedAt: accepted, ExpiresAt: expires, ForgetAt: expires.Add(time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "kept ms")) * time.Millisecond)}
	copy(id.Nonce[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "nonce"))
	return id
}

func TestAnIDComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k, id := keys(rt, "a"), drawID(rt)
		text := k.SignID(id)
		got, err := k.ParseID(text)
		if err != nil || got != id {
			rt.Fatalf("signed %+v, parsed %+v, error %v", id, got, err)
		}
		if len(text) != idLength || strings.ToLower(text) != text {
			rt.Fatalf("id %q", text)
		}
	})
}

func TestNoAlteredIDIsTaken(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := keys(rt, "a")
		text := []byte(k.SignID(drawID(rt)))
		at := rapid.IntRange(0, len(text)-1).Draw(rt, "at")
		with := rapid.Byte().Draw(rt, "with")
		if text[at] == with {
			return
		}
		text[at] = with
		if got, err := k.ParseID(string(text)); !errors.Is(err, ErrForged) {
			rt.Fatalf("altered at %d: parsed as %+v", at, got)
		}
	})
}

func TestIDsSortByAcceptance(t *testing.T) {
	k := keys(t, "a")
	var texts []string
	for i := range 200 {
		id, err := NewID(rand.Reader, Direct, fmt.Sprint(i), start.Add(time.Duration(i)*time.Millisecond), start, start)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, k.SignID(id))
	}
	if !sort.StringsAreSorted(texts) {
		t.Error("ids do not sort by their time of acceptance")
	}
}

func TestTheLowestIDPartsIDsByAcceptance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		id := drawID(rt)
		text := keys(rt, "a").SignID(id)
		since := id.AcceptedAt.Add(time.Duration(rapid.Int64Range(-3e9, 3e9).Draw(rt, "since ns after")))
		if rapid.Bool().Draw(rt, "the very time") {
			since = id.AcceptedAt
		}
		if in := text >= LowestID(since); in != !id.AcceptedAt.Before(since) {
			rt.Fatalf("accepted %v after the bound, in: %v", id.AcceptedAt.Sub(since), in)
		}
	})
	if first := LowestID(time.Time{}); first > keys(t, "a").SignID(ID{AcceptedAt: time.UnixMilli(0)}) {
		t.Errorf("the bound of all ids is %s", first)
	}
}

func TestKeysChangeWithAnOverlap(t *testing.T) {
	old, both, gone := keys(t, "a"), keys(t, "b", "a"), keys(t, "c", "b")
	text := old.SignID(ID{Kind: Stored, AcceptedAt: start, ExpiresAt: start, ForgetAt: start})
	if _, err := both.ParseID(text); err != nil {
		t.Errorf("an id of the earlier key: %v", err)
	}
	if _, err := gone.ParseID(text); !errors.Is(err, ErrForged) {
		t.Errorf("an id of a key that is gone: %v", err)
	}
	if _, err := (Keys{}).ParseID(text); !errors.Is(err, ErrForged) {
		t.Errorf("without keys: %v", err)
	}
	if _, err := NewKeys([]byte("short")); err == nil {
		t.Error("a short key was taken")
	}
}

func TestReceipts(t *testing.T) {
	k := keys(t, "a")
	r := Receipt{ID: "q1", Owner: HashOwner("me"), Task: "fashion", Model: "mlp", Digest: "00ff", Label: "bag", Until: start}
	text, err := k.SignReceipt(r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.ParseReceipt(text); err != nil || got != r {
		t.Errorf("got %+v, error %v", got, err)
	}
	for _, bad := range []string{"", "x", text[1:], text + "A", strings.Repeat("A", maxReceipt+4), k.SignID(ID{AcceptedAt: start})} {
		if _, err := k.ParseReceipt(bad); !errors.Is(err, ErrForged) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	other := keys(t, "b")
	if _, err := other.ParseReceipt(text); !errors.Is(err, ErrForged) {
		t.Errorf("another stage's: %v", err)
	}
}

func TestASampleIsAShareOfTheIDs(t *testing.T) {
	k, kept, shards := keys(t, "a"), 0, map[int]int{}
	const n = 20_000
	source := bytes.NewReader(func() []byte {
		b := make([]byte, 8*n)
		for i := range b {
			b[i] = byte(i * 7919 >> 3)
		}
		return b
	}())
	for i := range n {
		id, err := NewID(source, Direct, "me", start.Add(time.Duration(i)*time.Millisecond), start, start)
		if err != nil {
			t.Fatal(err)
		}
		text := k.SignID(id)
		if Kept(text, 0.01) {
			kept++
		}
		shards[Shard(text)]++
		if Kept(text, 0) || !Kept(text, 1) {
			t.Fatal("none and all are not none and all")
		}
	}
	if kept < 140 || kept > 260 {
		t.Errorf("kept %d of %d at 1 %%", kept, n)
	}
	for s := range Shards {
		if c := shards[s]; c < n/Shards*8/10 || c > n/Shards*12/10 {
			t.Errorf("shard %d has %d of %d", s, c, n)
		}
	}
}

func FuzzParseID(f *testing.F) {
	k := keys(f, "a")
	f.Add(k.SignID(ID{Kind: Direct, AcceptedAt: start, ExpiresAt: start, ForgetAt: start}))
	f.Fuzz(func(t *testing.T, text string) {
		id, err := k.ParseID(text)
		if err == nil && k.SignID(id) != text {
			t.Errorf("%q is taken and is not its own spelling", text)
		}
		_, _ = k.ParseReceipt(text)
	})
}
