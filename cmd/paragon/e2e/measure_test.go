//go:build bench

package e2e_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
)

// rounds is how often each pair of measurements is taken in turns, so that a
// machine that slows down slows both.
const rounds = 5

// TestMeasure measures the pipeline and, for comparison, the bare library, start-up and
// memory, and writes the page that PARAGON_BENCH_OUT names. It asserts nothing
// of what it measures.
func TestMeasure(t *testing.T) {
	c := profilestest.Shipped(t)
	var page strings.Builder
	fmt.Fprintf(&page, "# Measurements\n\n`make bench` generated this page on %s, on a machine with %d cores (%s/%s, %s). Other programs used the machine too. The ratios are therefore more reliable than the absolute values.\n",
		time.Now().Format(time.DateOnly), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	small, large := extremes(c)
	t.Run("latency", func(t *testing.T) { measureLatency(t, &page, c) })
	t.Run("throughput", func(t *testing.T) { measureThroughput(t, &page, small, large) })
	t.Run("start", func(t *testing.T) { measureStart(t, &page) })
	fmt.Print(page.String())
	if out := os.Getenv("PARAGON_BENCH_OUT"); out != "" {
		if err := os.WriteFile(out, []byte(page.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// extremes returns the models of the least and the most service time.
func extremes(c *profile.Catalogue) (small, large *profile.Model) {
	at := func(m *profile.Model) float64 {
		s, _ := c.OnVM(m, "c5.large")
		return s.MS.P50
	}
	for i := range c.Models {
		m := &c.Models[i]
		if small == nil || at(m) < at(small) {
			small = m
		}
		if large == nil || at(m) > at(large) {
			large = m
		}
	}
	return small, large
}

// quantile returns a quantile of durations, which it sorts.
func quantile(ds []time.Duration, q float64) time.Duration {
	slices.Sort(ds)
	return ds[min(len(ds)-1, int(q*float64(len(ds))))]
}

// ms prints a duration in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }

// measureLatency asks one strict query after another, waiting for each answer,
// and the same of the engine without anything around it, in turns.
func measureLatency(t *testing.T, page *strings.Builder, c *profile.Catalogue) {
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", "--unpaced")
	s.workersReady(1)
	pics := pictures(t)
	fmt.Fprintf(page, "\n## Added latency\n\n*Pipeline* is the time that a caller measures for one strict query: a PNG picture, with `Prefer: wait`. The caller sends one query after another to a warm stage that runs at full speed. *Bare* is the time of preprocessing and inference alone, in one process. *Added* is pipeline minus bare. Pipeline and bare were measured in turns, in %d rounds. All times are in milliseconds.\n\n| model | bare p50 | bare p99 | pipeline p50 | pipeline p99 | added p50 | added p99 |\n|---|---|---|---|---|---|---|\n", rounds)
	for i := range c.Models {
		m := &c.Models[i]
		session := bare(t, m)
		var inProcess, through []time.Duration
		for range rounds {
			for n := range 100 {
				inProcess = append(inProcess, timeOf(func() { runBare(t, session, m, pics[n]) }))
			}
			for n := range 100 {
				through = append(through, timeOf(func() { s.ask(m, pics[n]) }))
			}
		}
		b50, b99, p50, p99 := quantile(inProcess, .5), quantile(inProcess, .99), quantile(through, .5), quantile(through, .99)
		fmt.Fprintf(page, "| %s | %s | %s | %s | %s | %s | %s |\n", m.Name, ms(b50), ms(b99), ms(p50), ms(p99), ms(p50-b50), ms(p99-b99))
	}
}

func timeOf(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// bare is a session of the library with nothing of the pipeline around it.
func bare(t *testing.T, m *profile.Model) *engine.Model { return bareOf(t, m, 1) }

// bareOf is bare for as many inferences at once as there are runners.
func bareOf(t *testing.T, m *profile.Model, runners int) *engine.Model {
	t.Helper()
	set, c := profilestest.Loaded(t)
	e, err := engine.New(engine.Options{Runners: runners})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	network, err := set.NetworkOf(c.Name, m)
	if err != nil {
		t.Fatal(err)
	}
	model, err := e.Load(t.Context(), m.Name, network, 1)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func runBare(t *testing.T, session *engine.Model, m *profile.Model, p picture) {
	in, err := preprocess.Decode("image/png", p.data, preprocess.Spec(*m.Input), preprocess.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Run(context.Background(), in); err != nil {
		t.Fatal(err)
	}
}

// ask submits one strict query for a model and waits for the answer.
func (s *stage) ask(m *profile.Model, p picture) {
	q, err := s.Submit(context.Background(), client.Submission{
		Model: m.Name, Class: query.Strict, Input: query.Input{ContentType: "image/png", Data: p.data},
		Constraints: query.Constraints{LatencyMS: 30_000},
	}, client.Options{Wait: 20 * time.Second})
	if err != nil {
		s.t.Error(err)
		return
	}
	if q = s.finish(q); q.State != query.Succeeded {
		s.t.Errorf("query %s ended as %s", q.ID, q.State)
	}
}

// measureThroughput drives one worker of as many runners as there are cores to
// its limit, and the bare library on the same cores, in turns.
func measureThroughput(t *testing.T, page *strings.Builder, models ...*profile.Model) {
	const turn = 4 * time.Second
	s := up(t, t.TempDir(), "--workers=1", "--instance-type=c5.large", "--boot-seconds=0", "--unpaced")
	s.workersReady(1)
	pics := pictures(t)
	fmt.Fprintf(page, "\n## Throughput\n\n*Pipeline* is the throughput of one worker with 2 runners. 32 callers send queries and wait for their answers; they run on the same cores as the server. *Bare* is the throughput of 2 goroutines that call preprocessing and ONNX Runtime in a loop. Pipeline and bare were measured in turns. The figures are medians of %d rounds of %v.\n\n| model | bare queries/s | pipeline queries/s | ratio pipeline ÷ bare |\n|---|---|---|---|\n", rounds, turn)
	for _, m := range models {
		session := bareOf(t, m, 2)
		var inProcess, through, ratio []float64
		for range rounds {
			b := perSecond(2, turn, func(n int) { runBare(t, session, m, pics[n%len(pics)]) })
			p := perSecond(32, turn, func(n int) { s.askRelaxed(m, pics[n%len(pics)]) })
			inProcess, through, ratio = append(inProcess, b), append(through, p), append(ratio, p/b)
		}
		fmt.Fprintf(page, "| %s | %.0f | %.0f | %.3f |\n", m.Name, median(inProcess), median(through), median(ratio))
	}
}

// askRelaxed is ask without a bound to keep, so that nothing overflows.
func (s *stage) askRelaxed(m *profile.Model, p picture) {
	q, err := s.Submit(context.Background(), client.Submission{
		Model: m.Name, Class: query.Relaxed, Input: query.Input{ContentType: "image/png", Data: p.data},
	}, client.Options{Wait: 20 * time.Second})
	if err != nil {
		s.t.Error(err)
		return
	}
	s.finish(q)
}

// perSecond calls f from some goroutines for a while and returns the rate.
func perSecond(goroutines int, during time.Duration, f func(n int)) float64 {
	var done atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range goroutines {
		wg.Go(func() {
			for time.Since(began) < during {
				f(int(done.Add(1)))
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(began).Seconds()
}

func median[T cmp.Ordered](xs []T) T {
	slices.Sort(xs)
	return xs[len(xs)/2]
}

// measureStart measures how long it takes to come up, and the memory of each
// kind of process after a query was answered.
func measureStart(t *testing.T, page *strings.Builder) {
	var ready, serving []time.Duration
	memory := map[string]int{}
	pic := pictures(t)[0]
	for range rounds {
		began := time.Now()
		s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", "--unpaced")
		ready = append(ready, time.Since(began))
		s.until("a ready worker", func() bool { return s.pool().Ready == 1 })
		serving = append(serving, time.Since(began))
		sub := strict(pic)
		s.one(sub)
		sub.Constraints.LatencyMS = 30
		s.burst(slices.Repeat([]client.Submission{sub}, 50))
		memory["paragon"] = residentKB(t, s.cmd.Process.Pid)
		for _, name := range []string{"worker", "inference"} {
			for _, pid := range s.children(name) {
				memory[name] = max(memory[name], residentKB(t, pid))
			}
		}
		s.stop()
	}
	fmt.Fprintf(page, "\n## Start and memory\n\n`paragon up` was started %d times on an empty data folder, without a boot delay. *Ready* is the median time until it prints its ready line. *Serving* is the median time until a worker has loaded every model and is ready. The memory was measured after queries had been answered.\n\n| measurement | value |\n|---|---|\n| ready | %s ms |\n| serving | %s ms |\n", rounds, ms(median(ready)), ms(median(serving)))
	for _, name := range []string{"paragon", "worker", "inference"} {
		fmt.Fprintf(page, "| resident memory of %s | %d MB |\n", name, memory[name]/1024)
	}
}

// residentKB reads a process's resident memory.
func residentKB(t *testing.T, pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0 // it ended meanwhile
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kb
		}
	}
	return 0
}
