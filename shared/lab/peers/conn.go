package peers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// callTimeout ends a call that hangs.
const callTimeout = 20 * time.Second

// protocol is how a server is asked over HTTP, and how its answer is read.
type protocol struct {
	requests [][]byte // one an input, head and body, ready to be sent
	read     func(h http.Header, body []byte) (Answer, error)
}

// request is a POST as the bytes that are sent: so the client costs little
// next to the servers that share its cores.
func request(address, path string, header map[string]string, body ...[]byte) []byte {
	whole := bytes.Join(body, nil)
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", path, address, len(whole))
	for name, value := range header {
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	b.WriteString("\r\n")
	b.Write(whole)
	return b.Bytes()
}

// httpConn is a kept connection.
type httpConn struct {
	address string
	protocol
	conn   net.Conn
	reader *bufio.Reader
	header http.Header
	body   bytes.Buffer
}

func (c *httpConn) Close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// Call asks once. A server may close a kept connection that was idle: then it
// is opened anew, once.
func (c *httpConn) Call(ctx context.Context, input int) error {
	kept := c.conn != nil
	err := c.call(ctx, input)
	if kept && errors.Is(err, errClosed) {
		err = c.call(ctx, input)
	}
	return err
}

// errClosed means that a connection ended before a byte of the answer came.
var errClosed = errors.New("the server closed the connection")

func (c *httpConn) call(ctx context.Context, input int) error {
	if c.conn == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.address)
		if err != nil {
			return err
		}
		c.conn, c.reader = conn, bufio.NewReaderSize(conn, 16<<10)
	}
	if err := c.conn.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return fmt.Errorf("bound the call: %w", err)
	}
	_, err := c.conn.Write(c.requests[input])
	if err == nil {
		_, err = c.reader.Peek(1)
	}
	if err != nil {
		c.Close()
		return errors.Join(errClosed, err)
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.Close()
		return fmt.Errorf("read the answer: %w", err)
	}
	return c.keep(response)
}

// keep reads an answer to its end.
func (c *httpConn) keep(r *http.Response) error {
	c.header = r.Header
	c.body.Reset()
	_, err := c.body.ReadFrom(r.Body)
	_ = r.Body.Close() // it is read
	if err != nil {
		c.Close()
		return fmt.Errorf("read the answer: %w", err)
	}
	if r.Close {
		c.Close()
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s: %.200s", r.Status, c.body.Bytes())
	}
	return nil
}

func (c *httpConn) Answer() (Answer, error) { return c.read(c.header, c.body.Bytes()) }

// peerProtocol is how the servers of the folder servers are asked.
func peerProtocol(address string, w *Workload) protocol {
	path, read := "/picture", readTop
	if w.Kind == Tensor {
		path, read = "/tensor", readScores
	}
	p := protocol{read: read}
	for _, body := range w.Inputs {
		p.requests = append(p.requests, request(address, path, map[string]string{"Content-Type": w.Kind.ContentType()}, body))
	}
	return p
}

// readScores reads raw float32 scores.
func readScores(_ http.Header, body []byte) (Answer, error) {
	if len(body) == 0 || len(body)%4 != 0 {
		return Answer{}, fmt.Errorf("%d bytes are no float32 scores", len(body))
	}
	return best(numbers(body)), nil
}

// readTop reads the best classes as JSON.
func readTop(_ http.Header, body []byte) (Answer, error) {
	var got struct{ Top []Answer }
	if err := json.Unmarshal(body, &got); err != nil || len(got.Top) == 0 {
		return Answer{}, errors.Join(fmt.Errorf("no best classes in %.200s", body), err)
	}
	return got.Top[0], nil
}
