//go:build rehearse

package rehearse

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// shifts runs the controller again and again, each run a minute after the one before as
// the schedule does, until the test ends.
func (p *play) shifts() {
	go func() {
		for p.t.Context().Err() == nil {
			minute := time.After(time.Minute)
			if _, err := p.api.Invoke(p.t.Context(), names.Function(stage, "controller"), []byte("{}")); err != nil && p.t.Context().Err() == nil {
				p.t.Errorf("a shift of the controller: %v", err)
				return
			}
			select {
			case <-p.t.Context().Done():
			case <-minute:
			}
		}
	}()
}

func (p *play) group() platform.Group {
	p.t.Helper()
	g, err := p.backend.Groups.Group(p.t.Context(), pool)
	must(p.t, err)
	return g
}

// lines are what the newest ticks decided, in words, newest first.
func (p *play) lines() (out []string) {
	p.t.Helper()
	es, err := p.backend.DecisionLog.Entries(p.t.Context(), platform.EntryQuery{Pool: pool, Limit: 10})
	must(p.t, err)
	for _, e := range es {
		out = append(out, e.Line)
	}
	return out
}

// arrive puts perSecond arrivals a second until the returned function is called.
func (p *play) arrive(perSecond float64) (stop func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case at := <-tick.C:
				if err := p.backend.Metrics.Put(ctx, points(at, perSecond)...); err != nil && ctx.Err() == nil {
					p.t.Error(err)
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}

// points are those of the given number of relaxed queries in a second: each takes 10 ms
// of a runner, or $2 a million on a function, and may wait for 5 s.
func points(at time.Time, queries float64) []platform.Point {
	return []platform.Point{
		{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass("fashion", "relaxed"), At: at, Value: queries},
		{Metric: telemetry.ArrivalWork.Name, At: at, Value: 10 * queries},
		{Metric: telemetry.ArrivalFunctionUSD.Name, At: at, Value: 2e-6 * queries},
		{Metric: telemetry.ArrivalDefer.Name, At: at, Value: 5000 * queries},
	}
}

// set puts a setting as a person at the console does.
func (p *play) set(name, value string) {
	p.t.Helper()
	_, err := ssm.NewFromConfig(p.sdk).PutParameter(p.t.Context(), &ssm.PutParameterInput{
		Name: aws.String(names.SettingsPath(stage) + name), Value: &value, Type: types.ParameterTypeString, Overwrite: aws.Bool(true),
	})
	must(p.t, err)
}

// unset takes a setting back that set put.
func (p *play) unset(name string) {
	p.t.Helper()
	_, err := ssm.NewFromConfig(p.sdk).DeleteParameter(p.t.Context(), &ssm.DeleteParameterInput{Name: aws.String(names.SettingsPath(stage) + name)})
	must(p.t, err)
}

// lists requests the API's other lists and reports.
func (p *play) lists() {
	p.t.Helper()
	for _, path := range []string{"/v1/status", "/v1/models", "/v1/queries"} {
		if got := p.request("GET", path, ""); got.Code != http.StatusOK {
			p.t.Errorf("GET %s: %d %s", path, got.Code, got.Body)
		}
	}
}

func TestRehearse(t *testing.T) {
	p := newPlay(t)

	// No worker is there: what is strict is for a function, at once where its caller
	// waits, and by the queue where not.
	p.set("tick_seconds", "3")
	p.openReceiver()
	p.invokes()
	strict := p.overflows(1)
	p.overflows(2, "Idempotency-Key", "once")
	p.vote(strict, "")
	p.asksForAll(query.Strict, query.OnFunction)
	p.handsOver(p.largeOverflows)
	p.arrives()
	p.callsBack()

	// What waits for a worker can be taken back.
	p.cancelled(p.ask(query.Relaxed, fmt.Sprintf(`"uri":%q`, p.upload())))

	letter := p.deadLetter()
	// The controller holds for want of arrivals. With every queue empty, arrivals
	// put to CloudWatch alone raise the group.
	p.shifts()
	p.until("a tick holds without arrivals", func() bool {
		return slices.ContainsFunc(p.lines(), func(l string) bool { return strings.Contains(l, "no arrivals are known") })
	})
	if g := p.group(); g.Desired != 0 {
		t.Errorf("without arrivals the group desires %d", g.Desired)
	}
	p.isFailed(letter)
	p.raises()

	p.lists()
	p.workerServes()
	p.lists()
	p.isCollected()
	p.checkPermissions()
	p.checkWrites()
}

// raises has arrivals raise the group, and leaves it alone then.
func (p *play) raises() {
	p.t.Helper()
	stop := p.arrive(100)
	p.until("the arrivals raise the group", func() bool { return p.group().Desired > 0 })
	stop()
	p.t.Logf("ticks, newest first: %q", p.lines())

	// A setting put to SSM changes the next tick: the fleet is left alone now.
	p.set("fleet", "fixed")
	p.until("a tick has the setting", func() bool { return strings.Contains(p.lines()[0], "the fleet is fixed") })
}

// overflows has a strict query answered by a function, and checks the number of its
// writes. It returns where the query is.
func (p *play) overflows(writes int, headers ...string) string {
	p.t.Helper()
	before := p.recordWrites()
	location := p.askFor(fetched, query.Strict, p.inline(), headers...)
	p.overflow()
	if q := p.read(location); q.ServedBy.Kind != query.OnFunction {
		p.t.Errorf("a strict query was served by %+v, want a function", q.ServedBy)
	}
	if got := p.recordWrites() - before; got != writes {
		p.t.Errorf("a strict query with the headers %q took %d writes, want %d", headers, got, writes)
	}
	return location
}

// largeOverflows has a function answer a query whose input is handed over through
// the bucket, whatever stands in front.
func (p *play) largeOverflows() {
	p.t.Helper()
	location := p.ask(query.Strict, p.large())
	p.overflow()
	if by := p.read(location).ServedBy; by.Kind != query.OnFunction {
		p.t.Errorf("the query with a large input was served by %+v", by)
	}
}

// onWorker has a worker answer a relaxed query whose caller does not wait.
func (p *play) onWorker(headers ...string) {
	p.t.Helper()
	if by := p.read(p.askFor(fetched, query.Relaxed, p.inline(), headers...)).ServedBy; by.Kind != query.OnWorker {
		p.t.Errorf("a relaxed query was served by %+v", by)
	}
}

// startFirst runs the worker of the group's first instance.
func (p *play) startFirst() (id string, worker *process) {
	p.t.Helper()
	ws, err := p.backend.Fleet.Workers(p.t.Context(), pool)
	must(p.t, err)
	if len(ws) == 0 || ws[0].State != platform.Booting {
		p.t.Fatalf("workers %+v, want one that boots", ws)
	}
	return ws[0].ID, p.startWorker(ws[0].ID)
}

// workerServes has a machine of the group come up, serve, and leave.
func (p *play) workerServes() {
	p.t.Helper()
	id, worker := p.startFirst()
	// Once the view knows its worker, it answers relaxed queries and strict ones.
	for _, class := range []query.Class{query.Relaxed, query.Strict} {
		p.until("a "+string(class)+" query runs on the worker", func() bool {
			by := p.read(p.submitAny(class)).ServedBy
			return by.Kind == query.OnWorker && by.Name == id
		})
	}

	if p.front.listener != "" {
		p.answersDirectly(id)
	}

	p.asksForAll(query.Relaxed, query.OnWorker)

	// What does not wait takes the calls that the bill counts. The consumer of a
	// queue reads before it runs what has a key.
	p.countsAs(0, func() { p.onWorker() })
	p.countsAs(1, func() { p.onWorker("Idempotency-Key", "queued") })

	// An input that is too large for a message goes by way of the bucket.
	p.handsOver(func() {
		if by := p.read(p.ask(query.Relaxed, p.large())).ServedBy; by.Kind != query.OnWorker {
			p.t.Errorf("the query with a large input was served by %+v", by)
		}
	})

	// A network that has another digest than its catalogue gives is not offered, with
	// the reason; that worker goes on serving the others.
	p.isNotOffered(refused)

	// So does one that is too large for a request.
	if by := p.read(p.ask(query.Relaxed, fmt.Sprintf(`"uri":%q`, p.upload()))).ServedBy; by.Kind != query.OnWorker {
		p.t.Errorf("the query with an upload was served by %+v", by)
	}

	p.lists()

	p.scalesIn(worker)
	if p.front.listener != "" {
		p.until("requests go to the api function again", func() bool { return !p.turned() })
	}
}
