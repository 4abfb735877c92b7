package balancer

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	// dialTime bounds the making of a connection to a target.
	dialTime = time.Second
	// idleTime is how long an unused connection is kept: less than the two minutes
	// after which a worker closes it.
	idleTime = time.Minute
	// maxIdle bounds the unused connections to one target.
	maxIdle = 256
	// answerRoom is how many bytes of an answer are there before it is passed on,
	// so that one which breaks off below it can be asked of another target.
	answerRoom = 16 << 10
	// streamRoom is the buffer through which a longer answer is passed on.
	streamRoom = 32 << 10
	// patience is how long a target may read nothing before it is seen whether it
	// has answered already.
	patience = 20 * time.Millisecond
	// lateAnswer is how long the answer of a target is awaited that reads no more.
	lateAnswer = 100 * time.Millisecond
)

// link is a connection to a target.
type link struct {
	net.Conn
	answers *bufio.Reader
	used    time.Time // for the last time
}

// takeIdle returns the connection used last, and closes those that are too old.
func (b *Balancer) takeIdle(t *target) *link {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(t.idle)
	if n == 0 {
		return nil
	}
	l := t.idle[n-1]
	if time.Since(l.used) < idleTime {
		t.idle = t.idle[:n-1]
		return l
	}
	closeAll(t.idle) // older still
	t.idle = nil
	return nil
}

// dropIdle closes the unused connections.
func (b *Balancer) dropIdle(t *target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	closeAll(t.idle)
	t.idle = nil
}

func dial(ctx context.Context, addr string) (*link, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	d := net.Dialer{Timeout: dialTime}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if u, ok := c.(*net.UnixConn); ok {
		_ = u.SetWriteBuffer(socketBuffer)
	}
	return &link{Conn: c, answers: bufio.NewReaderSize(c, answerRoom)}, nil
}

// socketBuffer is asked of the kernel, which grants what its limit allows: the
// larger, the fewer turns between two processes for one body.
const socketBuffer = 1 << 20

// keep puts a connection back whose answer was read to its end.
func (b *Balancer) keep(t *target, l *link) {
	b.mu.Lock()
	if t.removed || len(t.idle) >= maxIdle {
		b.mu.Unlock()
		_ = l.Close()
		return
	}
	l.used = time.Now()
	t.idle = append(t.idle, l)
	b.mu.Unlock()
}

// outgoing is a request as it is sent to a target.
type outgoing struct {
	request *http.Request
	head    []byte
	data    []byte // what follows the head; nothing of a body that is shared
	shared  *body  // the body that the target reads in shared memory; nil for none
}

// send writes a request to a target and reads the answer's head. A connection
// that was idle and brings no answer may have been closed by its target, which
// then never saw the request: a new one is tried.
func (b *Balancer) send(ctx context.Context, t *target, o outgoing) (*exchange, error) {
	var before error
	if l := b.takeIdle(t); l != nil {
		x, err := l.exchange(ctx, o)
		if err == nil || ctx.Err() != nil || l.answers.Buffered() > 0 {
			return x, err
		}
		b.dropIdle(t) // older still
		before = err
	}
	l, err := dial(ctx, t.addr)
	if err != nil {
		return nil, cause(ctx, errors.Join(err, before))
	}
	return l.exchange(ctx, o)
}

// exchange is an answer whose head was read. Its connection ends when the
// context does, until untie.
type exchange struct {
	*http.Response
	link  *link
	untie func() bool
}

func (l *link) exchange(ctx context.Context, o outgoing) (*exchange, error) {
	x := &exchange{link: l, untie: context.AfterFunc(ctx, func() { o.interrupt(l) })}
	var err error
	if x.Response, err = l.roundTrip(o.request, o.head, o.data); err != nil {
		x.untie()
		o.end(l)
		return nil, cause(ctx, err)
	}
	return x, nil
}

// interrupt ends an exchange whose caller left, or that takes too long.
func (o outgoing) interrupt(l *link) {
	if o.shared != nil {
		l.hangUp()
		return
	}
	_ = l.Close()
}

// end gives up a connection without an answer.
func (o outgoing) end(l *link) {
	if o.shared != nil {
		o.shared.outlive(l)
		return
	}
	_ = l.Close()
}

// hangUp says that nobody waits for an answer any more, and leaves it to the
// target to close the connection.
func (l *link) hangUp() {
	if half, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = l.SetDeadline(time.Unix(1, 0)) // the caller who reads or writes stops
}

// cause is why an attempt's context ended, or the error itself while it has not.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// roundTrip writes a request and reads the head of its answer. The connection
// cannot be used again when the answer came before the request was written.
func (l *link) roundTrip(r *http.Request, head, body []byte) (*http.Response, error) {
	early, wrong := l.write(head, body)
	if wrong != nil {
		// It may have answered and closed without reading the rest: that is an answer.
		_ = l.SetReadDeadline(time.Now().Add(lateAnswer))
	}
	answer, err := l.readHead(r)
	if err != nil {
		return nil, cmp.Or(wrong, fmt.Errorf("%w: %w", errEnded, err))
	}
	answer.Close = answer.Close || early || wrong != nil
	return answer, nil
}

// write writes a request. early says that the target answered and reads no more
// of it.
func (l *link) write(head, body []byte) (early bool, err error) {
	if len(body) == 0 {
		_, err := l.Write(head)
		return false, err
	}
	parts := net.Buffers{head, body}
	for {
		_ = l.SetWriteDeadline(time.Now().Add(patience))
		_, err = parts.WriteTo(l.Conn)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if l.answering() {
			return true, nil
		}
	}
	_ = l.SetWriteDeadline(time.Time{})
	return false, err
}

// answering says whether an answer has begun.
func (l *link) answering() bool {
	_ = l.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := l.answers.Peek(1)
	_ = l.SetReadDeadline(time.Time{})
	return err == nil
}

// readHead reads the answer's head, past any that announces another.
func (l *link) readHead(r *http.Request) (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(l.answers, r)
		if err != nil {
			return nil, err
		}
		if answer.StatusCode == http.StatusSwitchingProtocols {
			return nil, errors.New("balancer: the target switches protocols, although the request did not ask for it")
		}
		if answer.StatusCode >= http.StatusOK {
			return answer, nil
		}
	}
}

// attempt has the request answered by one target. After an error nothing was
// passed on, unless it is errCutOff.
func (b *Balancer) attempt(a *attempt, w http.ResponseWriter, r *http.Request, body *body) error {
	err := b.answer(a, w, r, body)
	b.release(a, err != nil && r.Context().Err() == nil && !errors.As(err, new(statusError)))
	return err
}

func (b *Balancer) answer(a *attempt, w http.ResponseWriter, r *http.Request, body *body) error {
	if limit := a.to.MaxIn; limit > 0 && int64(len(body.bytes)) > limit {
		return statusError(http.StatusRequestEntityTooLarge)
	}
	ctx, stop := within(a.ctx, b.opts.AnswerTime(r))
	defer stop()
	if a.to.Handler != nil {
		return b.callHandler(ctx, a.to, w, body.copied(r))
	}
	scratch := getRoom(smallRoom)
	defer putRoom(scratch)
	o := b.outgoing((*scratch)[:0], a.to, r, body)
	x, err := b.send(ctx, a.target, o)
	if err != nil {
		return err
	}
	err = x.pass(w)
	if x.untie() && err == nil && !x.Close {
		b.keep(a.target, x.link)
		return nil
	}
	if err != nil { // it may not have ended yet
		o.end(x.link)
	} else {
		_ = x.link.Close()
	}
	if err != nil && !errors.Is(err, errCutOff) {
		return cause(ctx, err)
	}
	return err
}

// outgoing is a request for a target, its head in scratch.
func (b *Balancer) outgoing(scratch []byte, to Target, r *http.Request, d *body) outgoing {
	o := outgoing{request: r, data: d.bytes}
	place := ""
	if to.Shares && d.room.slot != nil {
		place = d.room.slot.Place(d.room.before, len(d.bytes))
		o.data, o.shared = nil, d
	}
	o.head = b.head(scratch, r, len(d.bytes), place)
	if len(o.head)+len(o.data) <= cap(scratch) { // one write
		o.head, o.data = append(o.head, o.data...), nil
	}
	return o
}

// pass passes an answer on. A short one is awaited whole before its head goes
// out, so that one which breaks off can be asked of another target.
func (x *exchange) pass(w http.ResponseWriter) error {
	n := x.ContentLength
	if n > 0 && n <= answerRoom && x.Body != http.NoBody {
		data, err := x.link.answers.Peek(int(n))
		if err != nil {
			return fmt.Errorf("%w: %w", errEnded, err)
		}
		x.passHead(w)
		_, _ = w.Write(data) // the caller may be gone
		_, _ = x.link.answers.Discard(len(data))
		return nil
	}
	x.passHead(w)
	room := getRoom(streamRoom)
	defer putRoom(room)
	if _, err := io.CopyBuffer(onlyWriter{w}, onlyReader{x.Body}, *room); err != nil {
		return fmt.Errorf("%w: %w", errCutOff, err)
	}
	return nil
}

func (x *exchange) passHead(w http.ResponseWriter) {
	copyHeader(w.Header(), x.Header)
	w.WriteHeader(x.StatusCode)
}

// onlyWriter and onlyReader keep io.CopyBuffer to the buffer that it is given.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
