package peers

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

func aModel() *profile.Model {
	return &profile.Model{Name: "net", Input: &profile.Input{Width: 2, Height: 1, Channels: 1}}
}

// peer answers with a class for the first byte of the body, chunked as some
// servers do, and closes the connection behind a "c".
func peer(t *testing.T) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	opened := &atomic.Int64{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || len(body) == 0 || body[0] == 'x' {
			http.Error(w, "that is no input", http.StatusBadRequest)
			return
		}
		if body[0] == 'c' {
			w.Header().Set("Connection", "close")
		}
		fmt.Fprintf(w, `{"top":[{"index":%d,`, body[0]-'a')
		w.(http.Flusher).Flush()
		fmt.Fprint(w, `"score":0.5}]}`)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s, opened
}

// A connection is kept from call to call, opened anew where the server closed
// it, and takes nothing but a 200 for an answer.
func TestAConnectionIsKept(t *testing.T) {
	s, opened := peer(t)
	address := s.Listener.Addr().String()
	w := &Workload{Kind: PNG, Model: aModel(), Inputs: [][]byte{[]byte("a"), []byte("b"), []byte("c"), []byte("x")}}
	c := &httpConn{address: address, protocol: peerProtocol(address, w)}
	defer c.Close()
	for _, tc := range []struct {
		input  int
		ok     bool
		opened int64
	}{{0, true, 1}, {1, true, 1}, {2, true, 1}, {0, true, 2}, {3, false, 2}, {1, true, 2}} {
		err := c.Call(context.Background(), tc.input)
		if (err == nil) != tc.ok {
			t.Fatalf("input %d: %v, want success %v", tc.input, err, tc.ok)
		}
		if got := opened.Load(); got != tc.opened {
			t.Errorf("after input %d %d connections were opened, want %d", tc.input, got, tc.opened)
		}
		if !tc.ok {
			if !strings.Contains(err.Error(), "no input") {
				t.Errorf("the error is without the server's words: %v", err)
			}
			continue
		}
		if a, err := c.Answer(); err != nil || a.Index != tc.input || a.Score != 0.5 {
			t.Errorf("input %d is answered %+v, %v", tc.input, a, err)
		}
	}
	s.CloseClientConnections() // as a server does to one that was idle
	if err := c.Call(context.Background(), 1); err != nil {
		t.Errorf("after the server closed the connection: %v", err)
	}
}

func TestAnswersOfParagonAreRead(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want Answer
		ok   bool
	}{
		"the best":   {`{"state":"succeeded","result":{"index":7,"top":[{"index":7,"score":0.75},{"index":1,"score":0.25}]}}`, Answer{Index: 7, Score: 0.75}, true},
		"no result":  {`{"state":"accepted"}`, Answer{}, false},
		"no classes": {`{"result":{"index":1}}`, Answer{}, false},
		"no JSON":    {`<html>`, Answer{}, false},
	} {
		got, err := readQuery(nil, []byte(tc.body))
		if (err == nil) != tc.ok || got.Index != tc.want.Index || got.Score != tc.want.Score {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	head := `{"outputs":[{"name":"scores","parameters":{"binary_data_size":8}},{"name":"index","data":[9]}]}`
	h := http.Header{inferHeader: {fmt.Sprint(len(head))}}
	got, err := readInfer(h, append([]byte(head), floats([]float32{0.25, 0.5})...))
	if err != nil || got.Index != 9 || got.Score != 0.5 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := readInfer(http.Header{}, []byte(head)); err == nil {
		t.Error("an answer without its header is read")
	}
}

func TestParseStat(t *testing.T) {
	const rest = " S 7 1 1 0 -1 4 0 0 0 0 100 20 3 4 20 0 1 0 5"
	for name, tc := range map[string]struct {
		text string
		ok   bool
	}{
		"plain": {"12 (worker)" + rest, true}, "a name with brackets": {"12 (a) b (c)" + rest, true},
		"cut off": {"12 (worker) S 7", false}, "empty": {"", false}, "no number": {"x (worker)" + rest, false},
	} {
		p, err := parseStat(tc.text)
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
		if tc.ok && (p.pid != 12 || p.parent != 7 || p.cpu.Milliseconds() != 1270) {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
