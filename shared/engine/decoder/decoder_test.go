package decoder

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/engine/preprocess"
)

// What the test binary does as a process of a pool.
const (
	decodes = "decode"
	ends    = "end"
)

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == decodes:
		if len(os.Environ()) != 1 { // GOMAXPROCS
			os.Exit(3)
		}
		if Serve(os.Stdin, os.Stdout) != nil {
			os.Exit(1)
		}
	case len(os.Args) == 2 && os.Args[1] == ends:
		os.Exit(2)
	default:
		os.Exit(m.Run())
	}
}

func pool(t *testing.T, does string) *Pool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := New(self, does)
	t.Cleanup(func() {
		for c := p.pop(); c != nil; c = p.pop() {
			if err := c.end(); err != nil {
				t.Errorf("a process ended with %v", err)
			}
		}
	})
	return p
}

var (
	// Its tensor is larger than what a pipe holds.
	spec   = preprocess.Spec{Width: 224, Height: 224, Channels: 3, Mean: []float32{0.1, 0.2, 0.3}}
	limits = preprocess.Limits{MaxPixels: 1 << 20}
)

func encoded(t *testing.T, side int) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, side, side))
	for i := range m.Pix {
		m.Pix[i] = uint8(i*7 | 3)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A process gives what this one would: the tensor, or what is wrong with the input and
// in which field. One that has worked works again.
func TestAProcessDecodesAsThisOneDoes(t *testing.T) {
	p := pool(t, decodes)
	good := encoded(t, 64)
	for name, data := range map[string][]byte{"good": good, "cut": good[:len(good)/2], "too large": encoded(t, 2000), "empty": nil} {
		want, wrong := preprocess.Decode(preprocess.PNG, data, spec, limits)
		got, err := p.Decode(preprocess.PNG, data, spec, limits)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(err, wrong) || (name == "good") != (err == nil) {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, err, want, wrong)
		}
	}
	if len(p.free) != 1 {
		t.Errorf("%d processes for one picture at a time", len(p.free))
	}
	_, err := p.Decode(preprocess.PNG, good, preprocess.Spec{}, limits)
	if in := (*preprocess.InputError)(nil); err == nil || errors.As(err, &in) {
		t.Errorf("a profile's mistake is %v, and none of the input", err)
	}
}

func TestAsManyProcessesAsPictures(t *testing.T) {
	p := pool(t, decodes)
	var taken []*process
	for range 3 {
		c, err := p.take()
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, c)
	}
	var all sync.WaitGroup
	for _, c := range taken {
		all.Go(func() {
			if r, err := c.exchange(request{preprocess.PNG, encoded(t, 16), spec, limits}); err != nil || r.Input != nil || r.Err != "" {
				t.Errorf("%v, %+v", err, r)
			}
			p.give(c)
		})
	}
	all.Wait()
	p.remove(taken[1])
	p.remove(taken[1]) // it is gone
	if len(p.free) != 2 || taken[1].cmd.ProcessState == nil {
		t.Errorf("%d processes are left, and the one that is removed is %v", len(p.free), taken[1].cmd.ProcessState)
	}
}

// A picture that ends the processes is the input's fault: it must not count for the
// model, which would be taken from all callers.
func TestAPictureThatEndsTheProcessIsTheInputsFault(t *testing.T) {
	p := pool(t, ends)
	_, err := p.Decode(preprocess.PNG, encoded(t, 64), spec, limits)
	if in := (*preprocess.InputError)(nil); !errors.As(err, &in) || in.Field != "input.data" || !strings.Contains(in.Reason, "exit status 2") {
		t.Errorf("got %v", err)
	}
	if len(p.free) != 0 {
		t.Errorf("%d ended processes are kept", len(p.free))
	}
}

// Processes that are kept may have been ended by another's hand: that is no fault of the picture.
func TestProcessesThatEndedWithoutWorkCostNoPicture(t *testing.T) {
	p := pool(t, decodes)
	for range tries {
		c, err := p.start()
		if err == nil {
			err = c.cmd.Process.Kill()
		}
		if err != nil {
			t.Fatal(err)
		}
		p.give(c)
	}
	if _, err := p.Decode(preprocess.PNG, encoded(t, 64), spec, limits); err != nil {
		t.Error(err)
	}
	working := p.pop()
	for c := p.pop(); c != nil; c = p.pop() {
		_ = c.end() // killed
	}
	p.give(working)
}

// The memory of a picture is given back once no other one has come for a second, and while one is
// decoded, the core is offered to others after each of its 16 rows.
func TestMemoryIsGivenBackWithoutWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, requests := io.Pipe()
		replies, out := io.Pipe()
		freed, yielded, ended := 0, 0, make(chan error)
		go func() { ended <- serve(in, out, func() { freed++ }, func() { yielded++ }) }()
		asks, answers := gob.NewEncoder(requests), bufio.NewReader(replies)
		heads := gob.NewDecoder(answers)
		ask := func() {
			if err := asks.Encode(request{preprocess.PNG, encoded(t, 16), spec, limits}); err != nil {
				t.Fatal(err)
			}
			var r reply
			if err := heads.Decode(&r); err != nil {
				t.Fatal(err)
			}
			if _, err := answers.Discard(r.Bytes); err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{holdsFor / 2, 0}, {holdsFor / 2, 0}, {holdsFor, 1}, {time.Hour, 2}} {
			ask()
			time.Sleep(step.wait)
			synctest.Wait()
			if freed != step.want {
				t.Errorf("after %s without work memory was given back %d times, want %d", step.wait, freed, step.want)
			}
		}
		if err := errors.Join(requests.Close(), <-ended); err != nil || yielded != 4*16 {
			t.Errorf("the core was offered %d times, error %v", yielded, err)
		}
	})
}

func TestWithoutAProcessItIsDecodedHere(t *testing.T) {
	p := New(filepath.Join(t.TempDir(), "missing"))
	if _, err := p.Decode(preprocess.PNG, encoded(t, 64), spec, limits); err != nil {
		t.Error(err)
	}
}

// What decoding keeps for the next picture is given back, too.
func TestReleaseKeepsNothingOfAPicture(t *testing.T) {
	allocated := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	large := encoded(t, 2000)
	release()
	before := allocated()
	if _, err := preprocess.Decode(preprocess.PNG, large, spec, preprocess.Limits{MaxPixels: 1 << 22}); err != nil {
		t.Fatal(err)
	}
	release()
	if after := allocated(); after > before+1<<20 {
		t.Errorf("%d bytes are allocated after the picture, and were %d before it", after, before)
	}
	runtime.KeepAlive(large)
}
