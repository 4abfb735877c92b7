package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

func message(id string, data []byte) query.Message {
	return query.Message{ID: id, Input: query.Input{ContentType: "image/png", Data: data}}
}

// roundTrip encodes a value and decodes it again.
func roundTrip[T any](t *testing.T, v T) {
	t.Helper()
	body, err := Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a body can be read again
		text, err := io.ReadAll(body.Reader())
		if err != nil || int64(len(text)) != body.Bytes {
			t.Errorf("%T: %d bytes for %d, error %v", v, len(text), body.Bytes, err)
		}
		var got T
		if err := Decode(bytes.NewReader(text), MaxBody, &got); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%T: %+v, error %v", v, got, err)
		}
	}
}

func TestWhatIsCarriedArrives(t *testing.T) {
	data := bytes.Repeat([]byte{0, 255, '"'}, 1000)
	one, none := message("a", data), message("b", nil)
	roundTrip(t, SendCall{Queue: "q", Messages: []query.Message{one, none, message("c", data[:1])}})
	roundTrip(t, SendCall{Queue: "q", Messages: []query.Message{}})
	roundTrip(t, MoveCall{To: "q", Message: one})
	roundTrip(t, MoveCall{To: "q", Message: none, SameInput: true})
	roundTrip(t, Deliveries{{Message: one, Receipt: "1.2", Receives: 3, Queue: "q"}, {Message: none}})
	roundTrip(t, Deliveries{})
	roundTrip(t, InvokeCall{Function: "f", Payload: data})
	roundTrip(t, InvokeAnswer{Invocation: platform.Invocation{Payload: data, BilledMS: 3}})
	roundTrip(t, InvokeAnswer{Fault: &Fault{Class: "throttled", Text: "x"}})
	roundTrip(t, Blob{Data: data})
	roundTrip(t, ListCall{Owner: "ann", Limit: 3})
}

// What is carried is in no JSON, and the value that was encoded is left alone.
func TestDataIsInNoJSON(t *testing.T) {
	data := []byte("raw bytes, as they are")
	c := SendCall{Queue: "q", Messages: []query.Message{message("a", data)}}
	body, err := Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(body.Reader())
	head, _ := c.Detach()
	if !bytes.HasSuffix(text, data) || bytes.Count(text, []byte("data")) != 0 || !bytes.Equal(c.Messages[0].Input.Data, data) {
		t.Errorf("%q goes out, head %+v", text, head)
	}
}

func frame(text string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(text)))) + text
}

func TestBrokenFramesAreRefused(t *testing.T) {
	good := frame(`{"Function":"f"}`) + frame("data")
	for name, body := range map[string]string{
		"nothing": "", "half a length": "\x00\x00", "no head": frame(""), "no JSON": frame("{"), "too many": good + "x",
		"no data": frame(`{"Function":"f"}`), "half the data": good[:len(good)-1],
		"longer than may come": frame(`{}`) + "\xff\xff\xff\xff" + "data", "longer than the limit": strings.Replace(good, "\x04data", "\x40data", 1),
	} {
		var c InvokeCall
		if err := decodeFrames(strings.NewReader(body), int64(len(good))+10, &c); err == nil {
			t.Errorf("%s: read as %+v", name, c)
		}
	}
	var c InvokeCall
	if err := decodeFrames(strings.NewReader(good), int64(len(good)), &c); err != nil || string(c.Payload) != "data" {
		t.Errorf("%+v, error %v", c, err)
	}
	if err := decodeFrames(strings.NewReader(good), int64(len(good))-1, &c); !errors.Is(err, ErrFrames) {
		t.Errorf("above the limit: %v", err)
	}
	if _, err := Encode(InvokeCall{Payload: make([]byte, MaxBody+1)}); !errors.Is(err, platform.ErrTooLarge) {
		t.Errorf("a frame above the limit: %v", err)
	}
	var s string
	if err := Decode(strings.NewReader(`"abc"`), 4, &s); !errors.Is(err, platform.ErrTooLarge) {
		t.Errorf("JSON above the limit: %v", err)
	}
}

// Whatever comes, no more is allocated than may come, and nothing panics.
func TestFramesAreBounded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		body := rapid.SliceOf(rapid.Byte()).Draw(rt, "body")
		if rapid.Bool().Draw(rt, "with a head") {
			body = append([]byte(frame(`{"Messages":[{},{}]}`)), body...)
		}
		var c SendCall
		if err := decodeFrames(bytes.NewReader(body), int64(len(body)), &c); err != nil {
			return
		}
		total := 0
		for _, m := range c.Messages {
			total += len(m.Input.Data)
		}
		if total > len(body) {
			rt.Errorf("%d bytes of data from %d", total, len(body))
		}
	})
}

func TestSameData(t *testing.T) {
	data := []byte("abc")
	for _, tc := range []struct {
		name string
		a, b []byte
		want bool
	}{
		{"the same", data, data, true}, {"a copy", data, bytes.Clone(data), false}, {"a part", data, data[:2], false},
		{"none", nil, nil, false}, {"one has none", data, nil, false},
	} {
		if got := SameData(message("a", tc.a), message("a", tc.b)); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
