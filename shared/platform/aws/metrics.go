package aws

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

const (
	maxData   = 500 // data of one put
	maxValues = 150 // different values of one datum
	// ageEvery is how often a queue's age is asked for: CloudWatch has one a minute.
	ageEvery = time.Minute
	ageSpan  = 5 * time.Minute
)

// metrics are custom metrics of CloudWatch, at one-second resolution: kept so
// for three hours.
type metrics struct {
	client metricClient
	stage  string
	now    func() time.Time

	mu   sync.Mutex
	ages map[string]age // of queues, by name
}

// age is what CloudWatch last said of a queue's oldest message.
type age struct {
	asked time.Time
	value time.Duration
}

// datum is a metric's values within one second.
type datum struct {
	metric, dimensions string
	second             int64
}

// Put implements platform.Metrics. Values of one second travel together.
func (m *metrics) Put(ctx context.Context, points ...platform.Point) error {
	by := map[datum]map[float64]float64{} // values with their counts
	for _, p := range points {
		if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
			return fmt.Errorf("put metric %s: %v is not a finite number", p.Metric, p.Value)
		}
		k := datum{p.Metric, strings.Join(slices.Sorted(slices.Values(p.Dimensions)), "\x1f"), p.At.Unix()}
		if by[k] == nil {
			by[k] = map[float64]float64{}
		}
		by[k][p.Value]++
	}
	var data []types.MetricDatum
	for k, counts := range by {
		data = append(data, m.data(k, counts)...)
	}
	for batch := range slices.Chunk(data, maxData) {
		_, err := m.client.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String(names.Namespace), MetricData: batch})
		if err != nil {
			return failed(fmt.Sprintf("put %d metric points", len(points)), err)
		}
	}
	return nil
}

func (m *metrics) data(k datum, counts map[float64]float64) []types.MetricDatum {
	var list []string
	if k.dimensions != "" {
		list = strings.Split(k.dimensions, "\x1f")
	}
	var out []types.MetricDatum
	for values := range slices.Chunk(slices.Sorted(maps.Keys(counts)), maxValues) {
		d := types.MetricDatum{
			MetricName: aws.String(k.metric), Dimensions: m.dimensions(list), Timestamp: aws.Time(time.Unix(k.second, 0)),
			StorageResolution: aws.Int32(1), Values: values,
		}
		for _, v := range values {
			d.Counts = append(d.Counts, counts[v])
		}
		out = append(out, d)
	}
	return out
}

// dimensions are the caller's and the stage.
func (m *metrics) dimensions(list []string) []types.Dimension {
	out := []types.Dimension{{Name: aws.String(names.StageDimension), Value: aws.String(m.stage)}}
	for _, d := range list {
		name, value, _ := strings.Cut(d, "=")
		out = append(out, types.Dimension{Name: aws.String(name), Value: aws.String(cmp.Or(value, "-"))})
	}
	slices.SortFunc(out, func(a, b types.Dimension) int { return cmp.Compare(*a.Name, *b.Name) })
	return out
}

// Series implements platform.Metrics. Periods are 1, 5, 10 or 30 seconds, or whole
// minutes, aligned to the epoch; from and to are rounded down to a second. One
// metric is billed a call, whatever its statistics.
func (m *metrics) Series(ctx context.Context, metric string, dims []string, from, to time.Time, period time.Duration) ([]platform.Sample, error) {
	seconds := int32(period / time.Second)
	if period%time.Second != 0 || !slices.Contains([]int32{1, 5, 10, 30}, seconds) && (seconds < 60 || seconds%60 != 0) {
		return nil, fmt.Errorf("read metric %s: the period %v must be 1, 5, 10 or 30 s, or a whole number of minutes", metric, period)
	}
	what := &types.Metric{Namespace: aws.String(names.Namespace), MetricName: &metric, Dimensions: m.dimensions(dims)}
	got, err := m.statistics(ctx, what, from.Truncate(time.Second), to.Truncate(time.Second), seconds, "Sum", "SampleCount", "Maximum")
	if err != nil {
		return nil, failed("series of "+metric, err)
	}
	var out []platform.Sample
	for _, at := range slices.Sorted(maps.Keys(got["Sum"])) {
		out = append(out, platform.Sample{
			At: time.Unix(at, 0).UTC(), Sum: got["Sum"][at], Count: int(got["SampleCount"][at]), Max: got["Maximum"][at],
		})
	}
	return out, nil
}

// statistics returns what a metric was by statistic and start of its period.
func (m *metrics) statistics(ctx context.Context, what *types.Metric, from, to time.Time, period int32, stats ...string) (map[string]map[int64]float64, error) {
	in := &cloudwatch.GetMetricDataInput{StartTime: &from, EndTime: &to, ScanBy: types.ScanByTimestampAscending}
	byID := map[string]map[int64]float64{}
	out := map[string]map[int64]float64{}
	for i, s := range stats {
		id := fmt.Sprintf("m%d", i)
		out[s] = map[int64]float64{}
		byID[id] = out[s]
		in.MetricDataQueries = append(in.MetricDataQueries, types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{Metric: what, Period: &period, Stat: aws.String(s)}})
	}
	for {
		page, err := m.client.GetMetricData(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, r := range page.MetricDataResults {
			for i, at := range r.Timestamps {
				byID[aws.ToString(r.Id)][at.Unix()] = r.Values[i]
			}
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return out, nil
		}
	}
}

// oldest returns how old CloudWatch last saw a queue's oldest message; 0 when
// it says nothing. It is asked once a minute, as it costs money.
func (m *metrics) oldest(ctx context.Context, queue string) (time.Duration, error) {
	now := m.now()
	m.mu.Lock()
	known, ok := m.ages[queue]
	m.mu.Unlock()
	if ok && now.Sub(known.asked) < ageEvery {
		return known.value, nil
	}
	const metric = "ApproximateAgeOfOldestMessage"
	what := &types.Metric{Namespace: aws.String("AWS/SQS"), MetricName: aws.String(metric),
		Dimensions: []types.Dimension{{Name: aws.String("QueueName"), Value: &queue}}}
	got, err := m.statistics(ctx, what, now.Add(-ageSpan), now, int32(ageEvery/time.Second), "Maximum")
	if err != nil {
		return 0, failed("age of queue "+queue, err)
	}
	fresh := age{asked: now}
	if times := slices.Sorted(maps.Keys(got["Maximum"])); len(times) > 0 {
		fresh.value = time.Duration(got["Maximum"][times[len(times)-1]] * float64(time.Second))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ages == nil {
		m.ages = map[string]age{}
	}
	m.ages[queue] = fresh
	return fresh.value, nil
}
