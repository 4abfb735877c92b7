//go:build accuracy

package e2e_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/schollz/progressbar/v3"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/tokenizer"
	"github.com/paragon-serving/paragon/shared/modelcheck"
)

// mailPool is where `make pool-mail` puts the pool.
const mailPool = "../../../pools/mail"

// The accuracies of the mail pool over all mails that are held out, through the API, are
// the profiles', for every model, to the last mail.
func TestMailAccuracy(t *testing.T) {
	_, c, mails, s := mailStage(t, 2)
	for _, m := range c.Models {
		correct := s.correctTexts(m.Name, mails)
		t.Logf("%-14s %d of %d, profile %d of %d", m.Name, correct, len(mails), m.Accuracy.Correct, m.Accuracy.Total)
		if correct != m.Accuracy.Correct || len(mails) != m.Accuracy.Total {
			t.Errorf("%s: %d of %d right through the API, the profile says %d of %d", m.Name, correct, len(mails), m.Accuracy.Correct, m.Accuracy.Total)
		}
	}
}

// 100 of the mails get, bit for bit, the scores of ONNX Runtime's own binding, from every model, on
// a worker and on an inference function.
func TestMailScoresAreTheLibrarysBitForBit(t *testing.T) {
	var want [][][]wireTensor // by model
	for _, fleet := range []struct {
		kind    query.RunnerKind
		workers int
	}{{query.OnWorker, 2}, {query.OnFunction, 0}} {
		set, c, mails, s := mailStage(t, fleet.workers)
		for i := range c.Models {
			m := &c.Models[i]
			onnx, err := set.NetworkOf(c.Name, m)
			if err != nil {
				t.Fatal(err)
			}
			asked, inputs := exactTexts(t, m, onnx, mails)
			if len(want) == i {
				want = append(want, libraryAnswers(t, onnx, []string{m.Signature.Answer}, inputs))
			}
			s.scoresAre(m, fleet.kind, asked, want[i])
		}
		s.stop()
	}
}

// mailStage is a stage with the given number of workers and the mail pool, whose held-out mails it
// returns.
func mailStage(t *testing.T, workers int) (*profiles.Set, *profile.Catalogue, []modelcheck.Item, *stage) {
	t.Helper()
	dir, err := filepath.Abs(mailPool)
	if err != nil {
		t.Fatal(err)
	}
	set, err := profiles.Load(dir)
	if err != nil {
		t.Fatalf("%v: make pool-mail", err)
	}
	c, err := set.Catalogue("mail")
	if err != nil {
		t.Fatal(err)
	}
	mails, _, err := modelcheck.ReadCSV(filepath.Join(dir, "held-out.csv"))
	if err != nil || len(mails) < 2000 {
		t.Fatalf("%d mails are held out, error %v", len(mails), err)
	}
	flags := []string{"--profiles", dir, "--catalogue", "mail", flag("workers", workers), "--boot-seconds=0", "--unpaced"}
	if workers > 0 { // on a busy machine, a function would answer where a worker is held up
		flags = append(flags, "--set=max_overflow_concurrency=0")
	}
	s := up(t, t.TempDir(), flags...)
	s.until(fmt.Sprintf("%d workers are ready", workers), func() bool { return s.pool().Ready == workers })
	return set, c, mails, s
}

// exactTexts are 100 texts, from all over those that are given, with the tokens of each.
func exactTexts(t *testing.T, m *profile.Model, onnx []byte, texts []modelcheck.Item) (asked []query.Input, inputs [][]tensors.Tensor) {
	t.Helper()
	file, err := tokenizer.Attached(onnx)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := tokenizer.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		in, err := texts[n*len(texts)/100].Load()
		if err != nil {
			t.Fatal(err)
		}
		e, err := tokens.Encode(string(in.Data), m.Text.MaxTokens, 0)
		if err != nil {
			t.Fatal(err)
		}
		asked, inputs = append(asked, in), append(inputs, tokensOf(e))
	}
	return asked, inputs
}

// tokensOf are the tokens of a text with their mask and types, as encoders take them.
func tokensOf(e tokenizer.Encoding) []tensors.Tensor {
	row := func(name string, values []int64) tensors.Tensor {
		out := tensors.Tensor{Name: name, Datatype: tensors.Int64, Shape: []int64{1, int64(len(values))}}
		for _, v := range values {
			out.Data = binary.LittleEndian.AppendUint64(out.Data, uint64(v))
		}
		return out
	}
	return []tensors.Tensor{row("input_ids", e.IDs), row("attention_mask", e.Mask), row("token_type_ids", e.Types)}
}

// correctTexts puts every text through the API and counts the right answers.
func (s *stage) correctTexts(model string, texts []modelcheck.Item) int {
	s.t.Helper()
	bar := progressbar.Default(int64(len(texts)), model)
	var next, right atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for n := int(next.Add(1)) - 1; n < len(texts); n = int(next.Add(1)) - 1 {
				in, err := texts[n].Load()
				if err != nil {
					s.t.Error(err)
					return
				}
				q, err := s.Submit(context.Background(), client.Submission{Model: model, Class: query.Relaxed, Input: in},
					client.Options{Key: fmt.Sprint(model, n), Wait: patience / 6})
				if err != nil {
					s.t.Errorf("%s, %s: %v", model, texts[n].Name, err)
					return
				}
				if q = s.finish(q); q.Result != nil && q.Result.Label == texts[n].Label {
					right.Add(1)
				}
				_ = bar.Add(1) // a bar that cannot be drawn is no fault of the test's subject
			}
		})
	}
	wg.Wait()
	return int(right.Load())
}
