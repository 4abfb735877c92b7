//go:build accuracy

package e2e_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/schollz/progressbar/v3"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// datasetDir is where Debian's dataset-fashion-mnist puts the pictures.
const datasetDir = "/usr/share/datasets/fashion-mnist"

// idx reads a gzipped IDX file of bytes: its dimensions and its content.
func idx(t *testing.T, name string) ([]int, []byte) {
	t.Helper()
	f, err := os.Open(filepath.Join(datasetDir, name))
	if err != nil {
		t.Fatalf("%v: apt-get install dataset-fashion-mnist", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(io.LimitReader(z, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	dims := make([]int, all[3])
	for i := range dims {
		dims[i] = int(binary.BigEndian.Uint32(all[4+4*i:]))
	}
	return dims, all[4+4*len(dims):]
}

// The pool's accuracy over the whole held-out test set, through the API, is
// what the profiles say, for every model, to the last picture.
func TestFullAccuracy(t *testing.T) {
	dims, pixels := idx(t, "t10k-images-idx3-ubyte.gz")
	_, labels := idx(t, "t10k-labels-idx1-ubyte.gz")
	side := dims[1] * dims[2]
	c := profilestest.Shipped(t)
	s := up(t, t.TempDir(), "--workers=2", "--boot-seconds=0", "--unpaced")
	s.workersReady(2)
	for i := range c.Models {
		m := &c.Models[i]
		correct := s.correct(m, labels, func(n int) []byte { return png28(t, pixels[n*side:(n+1)*side], dims[1]) })
		t.Logf("%-14s %d of %d, profile %d of %d", m.Name, correct, len(labels), m.Accuracy.Correct, m.Accuracy.Total)
		if correct != m.Accuracy.Correct || len(labels) != m.Accuracy.Total {
			t.Errorf("%s: %d of %d right through the API, the profile says %d of %d",
				m.Name, correct, len(labels), m.Accuracy.Correct, m.Accuracy.Total)
		}
	}
}

// correct puts every picture through the API and counts the right answers.
func (s *stage) correct(m *profile.Model, labels []byte, picture func(n int) []byte) int {
	s.t.Helper()
	bar := progressbar.Default(int64(len(labels)), m.Name)
	var next, right atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for n := int(next.Add(1)) - 1; n < len(labels); n = int(next.Add(1)) - 1 {
				q, err := s.Submit(context.Background(), client.Submission{
					Model: m.Name, Class: query.Relaxed, Input: query.Input{ContentType: "image/png", Data: picture(n)},
				}, client.Options{Key: fmt.Sprint(m.Name, n), Wait: patience / 6})
				if err != nil {
					s.t.Errorf("%s, picture %d: %v", m.Name, n, err)
					return
				}
				if q = s.finish(q); q.Result != nil && q.Result.Index == int(labels[n]) {
					right.Add(1)
				}
				_ = bar.Add(1) // a bar that cannot be drawn is no fault of the test's subject
			}
		})
	}
	wg.Wait()
	return int(right.Load())
}

// png28 encodes gray pixels as a PNG.
func png28(t testing.TB, pixels []byte, width int) []byte {
	t.Helper()
	img := &image.Gray{Pix: pixels, Stride: width, Rect: image.Rect(0, 0, width, len(pixels)/width)}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Error(err)
	}
	return buf.Bytes()
}
