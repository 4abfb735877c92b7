package bodies

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"pgregory.net/rapid"
)

func open(t testing.TB, size int) (*Pool, *View) {
	t.Helper()
	p, err := New(size)
	if err != nil {
		t.Fatal(err)
	}
	v, err := Open(p.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, v
}

// Whatever is taken and given back, no two slots share a byte, and a target sees
// what the owner wrote.
func TestSlotsAreApart(t *testing.T) {
	p, v := open(t, 2<<20)
	rapid.Check(t, func(rt *rapid.T) {
		var held []*Slot
		for i := range rapid.IntRange(1, 30).Draw(rt, "steps") {
			if len(held) > 0 && rapid.Bool().Draw(rt, "put") {
				p.Put(held[0])
				held = held[1:]
				continue
			}
			n := rapid.IntRange(1, 100_000).Draw(rt, "bytes")
			s := p.Get(n)
			if s == nil {
				continue // all is taken
			}
			if len(s.Bytes) < n {
				rt.Fatalf("%d bytes for %d", len(s.Bytes), n)
			}
			for j := range s.Bytes {
				s.Bytes[j] = byte(i)
			}
			held = append(held, s)
			for _, one := range held {
				got, err := v.at(one.Place(1, len(one.Bytes)-1))
				if err != nil || !bytes.Equal(got, one.Bytes[1:]) || bytes.Count(got, got[:1]) != len(got) {
					rt.Fatalf("a slot of %d bytes changed, or is not seen: %v", len(one.Bytes), err)
				}
			}
		}
		for _, s := range held {
			p.Put(s)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	p, _ := open(t, 64<<10)
	if p.Get(64<<10+1) != nil {
		t.Error("more than all was given")
	}
	s := p.Get(60 << 10)
	if s == nil || p.Get(1) != nil {
		t.Error("all of it is one slot, or it was given twice")
	}
	p.Put(s)
	if p.Get(64<<10) != s {
		t.Error("a slot that was put back is not given again")
	}
}

// Pages beyond what is kept go back to the system, and come again empty.
func TestSpareMemoryIsGivenBack(t *testing.T) {
	p, _ := open(t, 4*keptFree)
	var held []*Slot
	for range 2 {
		s := p.Get(keptFree)
		s.Bytes[keptFree-1] = 1
		held = append(held, s)
	}
	for _, s := range held {
		p.Put(s)
	}
	if held[0].Bytes[keptFree-1] != 1 || held[1].Bytes[keptFree-1] != 0 {
		t.Error("the first slot's pages are to be kept, the second's not")
	}
}

func TestHandlerFindsTheBody(t *testing.T) {
	p, v := open(t, 1<<20)
	s := p.Get(100)
	copy(s.Bytes, "....what was sent....")
	var got string
	handler := v.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = string(data)
		if b, ok := r.Body.(*Body); ok != (r.Header.Get(Header) != "") || ok && string(b.Whole()) != got || r.ContentLength != int64(len(got)) {
			t.Errorf("a body of length %d is %T", r.ContentLength, r.Body)
		}
	}))
	for place, want := range map[string]struct {
		status int
		body   string
	}{
		s.Place(4, 13): {200, "what was sent"}, s.Place(0, 0): {200, ""}, "": {200, "inline"},
		"0 1048577": {400, ""}, "1048577 0": {400, ""}, "-1 2": {400, ""}, "1 -2": {400, ""}, "1": {400, ""}, "a b": {400, ""},
		"9223372036854775807 9223372036854775807": {400, ""},
	} {
		got = ""
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader([]byte("inline")))
		if place != "" {
			r.Header.Set(Header, place)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want.status || got != want.body {
			t.Errorf("%q: status %d, body %q", place, w.Code, got)
		}
	}
}

func TestOpenNamesWhatIsMissing(t *testing.T) {
	if _, err := Open("/nowhere/at/all"); err == nil || err.Error() != "PARAGON_BODIES: open /nowhere/at/all: no such file or directory" {
		t.Error(err)
	}
}
