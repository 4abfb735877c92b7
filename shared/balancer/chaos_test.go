package balancer

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"pgregory.net/rapid"
)

// chaotic starts a target of one kind, and returns what ends it.
func chaotic(rt *rapid.T, id, kind string, f *frozen) (Target, func()) {
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		rt.Fatal(err)
	}
	path := filepath.Join(dir, id)
	target := Target{ID: id, Addr: "unix:" + path}
	if kind == "gone" {
		return target, func() { _ = os.RemoveAll(dir) }
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		rt.Fatal(err)
	}
	server := &http.Server{}
	server.Handler = map[string]http.Handler{
		"good":    echo,
		"freezes": f,
		"dies": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, 3000)
			_ = server.Close()
		}),
		"breaks off": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(make([]byte, 10))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}),
	}[kind]
	var served sync.WaitGroup // the server, and its connections
	server.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			served.Add(1)
		case http.StateClosed:
			served.Done()
		}
	}
	served.Go(func() { _ = server.Serve(l) })
	return target, func() {
		_ = server.Close()
		served.Wait()
		_ = os.RemoveAll(dir)
	}
}
