//go:build rehearse

package rehearse

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// handsOver has a large input answered by a worker or a function, and holds the
// calls that it takes at the bucket to the one count of calls: put once, and
// fetched by who runs the query.
func (p *play) handsOver(run func()) {
	p.t.Helper()
	inputs := func(action string) int { return p.stand.countLike("*/inputs/*", action) }
	puts, gets := inputs("s3:PutObject"), inputs("s3:GetObject")
	run()
	traffic := pricing.SmallQueries(p.pricedFront(), pricing.Async)
	traffic.PerSecond, traffic.Workers, traffic.InputKB = 0.01, 1, 600
	counted := pricing.Count(profile.Prices{SQSStepKB: 64}, traffic)
	for _, c := range []struct {
		line string
		did  int
	}{
		{"inputs too large for a message, puts", inputs("s3:PutObject") - puts},
		{"inputs too large for a message, gets", inputs("s3:GetObject") - gets},
	} {
		if want := pricing.CountOf(counted, c.line) / 1e6; float64(c.did) != want {
			p.t.Errorf("%q: %d calls for a large input, and the bill counts %g", c.line, c.did, want)
		}
	}
}

// functionLog reads what functions print for the lines that CloudWatch takes
// metrics from. It is safe for concurrent use.
type functionLog struct {
	mu       sync.Mutex
	lines    int
	bytes    int
	arrivals float64
}

// Enabled, Handle, WithAttrs and WithGroup implement slog.Handler.
func (l *functionLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *functionLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *functionLog) WithGroup(string) slog.Handler            { return l }
func (l *functionLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	if !strings.Contains(line, `"CloudWatchMetrics"`) {
		return nil
	}
	var said map[string]any
	if err := json.Unmarshal([]byte(line), &said); err != nil {
		return nil // the child's log drops what is longer than it keeps
	}
	values, ok := said[telemetry.Arrivals.Name].([]any)
	if one, single := said[telemetry.Arrivals.Name].(float64); single {
		values, ok = []any{one}, true
	}
	if !ok { // of what functions cost
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines++
	l.bytes += len(line) + 1
	for _, v := range values {
		n, _ := v.(float64)
		l.arrivals += n
	}
	return nil
}

// said is what the log holds by now: lines of arrivals, their bytes, and the arrivals.
func (l *functionLog) said() (lines, bytes int, arrivals float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines, l.bytes, l.arrivals
}

// arrives has the api function take a query in, and holds it to the one line of
// the log that the bill counts, within the request and with no call to CloudWatch.
func (p *play) arrives() {
	p.t.Helper()
	puts := func() int { return p.stand.count("api", "*", "cloudwatch:PutMetricData") }
	lines, bytes, arrivals := p.log.said()
	before := puts()
	location := p.ask(query.Strict, p.inline())
	p.overflow()
	p.read(location)
	const kbOfGB = 1 << 20
	lineBytes := func(perSecond float64) float64 {
		traffic := pricing.SmallQueries(p.pricedFront(), pricing.Async)
		traffic.PerSecond, traffic.Workers = perSecond, 0
		return pricing.CountOf(pricing.Count(profile.Prices{SQSStepKB: 64}, traffic), "arrival metrics in the api function's log") / 1e6 * kbOfGB * 1024
	}
	least, most := lineBytes(1), lineBytes(0.01) // once a minute a line says what arrivals ask for
	p.until("the arrival is in the log", func() bool { n, _, _ := p.log.said(); return n > lines })
	nLines, nBytes, nArrivals := p.log.said()
	p.t.Logf("an arrival: %d lines of %d bytes in all", nLines-lines, nBytes-bytes)
	if nLines-lines != 1 || nArrivals-arrivals != 1 || puts() != before {
		p.t.Errorf("a query left %d lines of %g arrivals in the log and %d puts of metrics, want one line, one arrival and no put",
			nLines-lines, nArrivals-arrivals, puts()-before)
	}
	if got := float64(nBytes - bytes); got < least*0.75 || got > most*1.25 {
		p.t.Errorf("an arrival's line has %.0f bytes, and the bill counts %.0f to %.0f", got, least, most)
	}
}
