//go:build accuracy

package e2e_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// imagenetPool is where `make pool-imagenet` puts the pool.
const imagenetPool = "../../../pools/imagenet"

// Every model of the imagenet pool names the photographs rightly, through the API, on a worker
// and on an inference function. Those of which no class is right for certain get the same
// answer on both. Photographs and tensors get the scores of ONNX Runtime's own binding, bit for bit.
func TestImagenetLabels(t *testing.T) {
	dir, err := filepath.Abs(imagenetPool)
	if err != nil {
		t.Fatal(err)
	}
	set, err := profiles.Load(dir)
	if err != nil {
		t.Fatalf("%v: make pool-imagenet", err)
	}
	c, err := set.Catalogue("imagenet")
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		Pictures map[string][]int // the classes that are right for each
	}
	raw, err := os.ReadFile(filepath.Join(dir, "imagenet", "converted.json"))
	if err == nil {
		err = json.Unmarshal(raw, &made)
	}
	if err != nil || len(made.Pictures) == 0 {
		t.Fatalf("%d photographs, error %v: make pool-imagenet", len(made.Pictures), err)
	}
	var photographs []picture
	for _, name := range slices.Sorted(maps.Keys(made.Pictures)) {
		data, err := os.ReadFile(filepath.Join(dir, "pictures", name))
		if err != nil {
			t.Fatal(err)
		}
		photographs = append(photographs, picture{name: name, data: data})
	}
	asked, want := exactAnswers(t, set, c, 2, "image/jpeg", photographs)
	certain, first := 0, map[string]int{}
	for _, fleet := range []struct {
		kind    query.RunnerKind
		workers string
	}{{query.OnWorker, "--workers=1"}, {query.OnFunction, "--workers=0"}} {
		s := up(t, t.TempDir(), "--profiles", dir, "--catalogue", "imagenet", fleet.workers, "--boot-seconds=0", "--unpaced")
		if fleet.kind == query.OnWorker {
			s.until("a worker is ready", func() bool { return s.pool().Ready == 1 })
		}
		for i := range c.Models {
			m := &c.Models[i]
			for _, p := range photographs {
				name, right := p.name, made.Pictures[p.name]
				class := query.Relaxed // which waits for the worker
				if fleet.kind == query.OnFunction {
					class = query.Strict
				}
				q, err := s.Submit(t.Context(), client.Submission{Model: m.Name, Class: class, Constraints: query.Constraints{LatencyMS: 60_000},
					Input: query.Input{ContentType: "image/jpeg", Data: p.data}}, client.Options{Wait: 30 * time.Second})
				if err != nil || q.State != query.Succeeded || q.ServedBy.Kind != fleet.kind {
					t.Fatalf("%s of %s: %+v, error %v; want an answer of a %s", m.Name, name, q, err, fleet.kind)
				}
				t.Logf("%s on a %s: %s is %q (class %d, score %.2f)", m.Name, fleet.kind, name, q.Result.Label, q.Result.Index, q.Result.Top[0].Score)
				if len(right) > 0 {
					certain++
					if !slices.Contains(right, q.Result.Index) {
						t.Errorf("%s takes %s for class %d, want one of %v", m.Name, name, q.Result.Index, right)
					}
				}
				if before, asked := first[m.Name+" "+name]; asked && before != q.Result.Index {
					t.Errorf("%s takes %s for class %d on a worker and %d on a function", m.Name, name, before, q.Result.Index)
				}
				first[m.Name+" "+name] = q.Result.Index
			}
			s.scoresAre(m, fleet.kind, asked[i], want[i])
		}
		s.stop()
	}
	if certain == 0 {
		t.Error("of no photograph a class is right for certain")
	}
}
