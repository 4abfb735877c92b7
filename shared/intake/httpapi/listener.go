package httpapi

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// MostConnections is how many connections a server holds at once: each takes some
// 20 KB of memory, and a place in the process's table of files.
const MostConnections = 4096

// turnedAway is what a connection above the bound is answered with.
const turnedAway = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 59\r\n\r\n" +
	`{"error":"too many connections are open: try again later"}` + "\n"

// Bounded returns a listener that turns away what comes while most connections are
// open. Left to wait, callers would find out by their own time limits alone.
func Bounded(l net.Listener, most int) net.Listener {
	return &boundedListener{Listener: l, most: int64(most)}
}

type boundedListener struct {
	net.Listener
	most int64
	open atomic.Int64
}

// Accept implements net.Listener.
func (b *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.open.Add(1) <= b.most {
			return &boundedConn{Conn: c, close: sync.OnceFunc(func() { b.open.Add(-1) })}, nil
		}
		b.open.Add(-1)
		turnAway(c)
	}
}

// turnAway answers without waiting for anything: the text fits the socket's buffer.
func turnAway(c net.Conn) {
	_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = c.Write([]byte(turnedAway)) // the caller may be gone
	_ = c.Close()
}

// boundedConn gives its place back when it is closed.
type boundedConn struct {
	net.Conn
	close func()
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	defer c.close()
	return c.Conn.Close()
}
