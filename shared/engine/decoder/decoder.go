// Package decoder decodes large pictures in processes of their own, which run only
// where nothing else wants the core. In the process that serves, a decode of a second
// would hold up other callers' runs of a millisecond: garbage is collected only once
// every thread has reached a safe point, which one that waits for a core does late, and
// the decoded picture is itself most of the garbage.
//
// A process has no environment, and so no credentials of its own; should a picture end
// it, the serving one goes on.
package decoder

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
	"github.com/paragon-serving/paragon/shared/engine/tensor"
	"github.com/paragon-serving/paragon/shared/priority"
)

// request is a picture to decode.
type request struct {
	ContentType string
	Data        []byte
	Spec        preprocess.Spec
	Limits      preprocess.Limits
}

// reply is its tensor, or why there is none: Input where the input is wrong. Behind it
// stand the tensor's numbers as that number of Bytes, because gob encodes floats one by one,
// which takes longer than decoding most pictures.
type reply struct {
	Shape  []int64
	Finite bool
	Bytes  int
	Input  *preprocess.InputError
	Err    string

	numbers []byte
}

func (r reply) tensor() engine.Tensor {
	return engine.Tensor{Shape: r.Shape, Data: tensor.Numbers(r.numbers), Finite: r.Finite}
}

// holdsFor is how long a process without work holds the memory of the decoded picture, for the
// next one.
const holdsFor = time.Second

// Serve decodes what it reads and writes the tensors, until there is no more.
func Serve(in io.Reader, out io.Writer) error { return serve(in, out, release, priority.Yield) }

// release gives memory back to the system. What a sync.Pool keeps is garbage only for the
// second collection.
func release() {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
}

func serve(in io.Reader, out io.Writer, free, yield func()) error {
	requests, replies := gob.NewDecoder(bufio.NewReader(in)), gob.NewEncoder(out)
	unused := time.AfterFunc(holdsFor, free)
	defer unused.Stop()
	for {
		unused.Reset(holdsFor)
		var q request
		err := requests.Decode(&q)
		unused.Stop()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a picture: %w", err)
		}
		q.Limits.Yield = yield
		r := answer(q)
		err = replies.Encode(r)
		if err == nil {
			_, err = out.Write(r.numbers)
		}
		if err != nil {
			return fmt.Errorf("write a tensor: %w", err)
		}
	}
}

func answer(q request) (r reply) {
	t, err := preprocess.Decode(q.ContentType, q.Data, q.Spec, q.Limits)
	switch {
	case err == nil:
		r.Shape, r.Finite, r.numbers = t.Shape, t.Finite, tensor.Bytes(t.Data)
		r.Bytes = len(r.numbers)
	case errors.As(err, &r.Input):
	default:
		r.Err = err.Error()
	}
	return r
}

// idleFor is how long a process without work is kept. Starting one takes 16 ms of a core.
const idleFor = 5 * time.Minute

// Pool has the processes, as many as pictures are decoded at once.
type Pool struct {
	path string
	args []string

	mu   sync.Mutex
	free []*process
}

// New returns a pool of processes that run a binary, which calls Serve on its standard
// input and output. None is started before the first picture.
func New(path string, args ...string) *Pool { return &Pool{path: path, args: args} }

// tries is in how many processes a picture is decoded that end over it: the first one may
// have been ended by another's hand.
const tries = 2

// Decode is preprocess.Decode in one of the processes. A picture that ends them is the
// input's fault, like any that cannot be decoded: it says nothing of the model. Where no
// process can be started, it is decoded in this one.
func (p *Pool) Decode(contentType string, data []byte, s preprocess.Spec, lim preprocess.Limits) (engine.Tensor, error) {
	var ended error
	take := p.take
	for range tries {
		c, err := take()
		if err != nil {
			return preprocess.Decode(contentType, data, s, lim)
		}
		r, err := c.exchange(request{contentType, data, s, lim})
		if err != nil {
			ended = errors.Join(err, c.end())
			take = p.start // one that is kept may have been ended while it had no work
			continue
		}
		p.give(c)
		switch {
		case r.Input != nil:
			return engine.Tensor{}, r.Input
		case r.Err != "":
			return engine.Tensor{}, errors.New(r.Err)
		}
		return r.tensor(), nil
	}
	return engine.Tensor{}, &preprocess.InputError{Field: "input.data", Reason: fmt.Sprintf("the process that decodes the picture has ended: %v", ended)}
}

// take returns a process that is free, the one that worked last, or starts one.
func (p *Pool) take() (*process, error) {
	if c := p.pop(); c != nil {
		return c, nil
	}
	return p.start()
}

func (p *Pool) pop() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return nil
	}
	c := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	c.unused.Stop()
	return c
}

// give keeps a process for the next picture.
func (p *Pool) give(c *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, c)
	c.unused = time.AfterFunc(idleFor, func() { p.remove(c) })
}

// remove ends a process, unless a picture has taken it meanwhile. Others need not wait for
// its end, which has the idle priority.
func (p *Pool) remove(c *process) {
	p.mu.Lock()
	i := slices.Index(p.free, c)
	if i >= 0 {
		p.free = slices.Delete(p.free, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		_ = c.end() // it reads no more, and so ends
	}
}

// process is one that decodes. One goroutine at a time uses it.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	replies *gob.Decoder
	asks    *gob.Encoder
	unused  *time.Timer
}

func (p *Pool) start() (*process, error) {
	c := &process{cmd: exec.Command(p.path, p.args...)}
	c.cmd.Env = []string{"GOMAXPROCS=1"} // a run has one core
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start a decoder: %w", err)
	}
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a decoder: %w", err), in.Close())
	}
	priority.IdleProcess(c.cmd.Process.Pid)
	c.in, c.out, c.asks = in, bufio.NewReader(out), gob.NewEncoder(in)
	c.replies = gob.NewDecoder(c.out) // which reads no further than to the end of a reply
	return c, nil
}

func (c *process) exchange(q request) (r reply, err error) {
	if err := c.asks.Encode(q); err != nil {
		return r, err
	}
	if err := c.replies.Decode(&r); err != nil {
		return r, err
	}
	r.numbers = make([]byte, r.Bytes)
	_, err = io.ReadFull(c.out, r.numbers)
	return r, err
}

// end has the process end, as it gets nothing more to read.
func (c *process) end() error { return errors.Join(c.in.Close(), c.cmd.Wait()) }
