package answer_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
	"github.com/paragon-serving/paragon/shared/priority"
)

// background returns the threads of this process that now have the niceness of the
// background. One that was the process's first stays when its work is over.
func background(t *testing.T) map[string]bool {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, thread := range threads {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%s/stat", thread.Name()))
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after) // from the third of proc_pid_stat(5) on; the 19th is the niceness
		if nice, err := strconv.Atoi(fields[16]); err == nil && nice >= priority.Nice {
			out[thread.Name()] = true
		}
	}
	return out
}

// large is a picture of so many pixels that decoding it takes several times 5 ms,
// with what intake reads in its header.
func large(t *testing.T, p *profile.Model) query.Input {
	t.Helper()
	var data bytes.Buffer
	if err := png.Encode(&data, image.NewGray(image.Rect(0, 0, 2000, 2000))); err != nil {
		t.Fatal(err)
	}
	in := query.Input{ContentType: preprocess.PNG, Data: data.Bytes()}
	var err error
	in.Decoding, err = preprocess.Check(in.ContentType, in.Data, preprocess.Spec(*p.Input), preprocess.Limits{MaxPixels: 2000 * 2000})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// A large picture is decoded in the background of other runs on the machine, and a
// small one with them.
func TestLargePicturesAreDecodedInTheBackground(t *testing.T) {
	e, set, c := open(t)
	a := answer.New(e, c, set, answer.Memory{})
	p, _ := c.Model(model)
	for _, tc := range []struct {
		in   query.Input
		want bool
	}{{picture(t, set, 0), false}, {large(t, p), true}} {
		before := background(t)
		whole := before[strconv.Itoa(syscall.Gettid())] // as where nice(1) runs the tests: nothing can be seen then
		done, got := make(chan error, 1), false
		go func() {
			_, err := a.Answer(t.Context(), model, []query.Input{tc.in})
			done <- err
		}()
		for ended := false; !ended; {
			for thread := range background(t) {
				got = got || !before[thread]
			}
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				ended = true
			default:
			}
		}
		if got != tc.want && !whole {
			t.Errorf("a picture with %+v was decoded in the background: %t, want %t", tc.in.Decoding, got, tc.want)
		}
	}
}
