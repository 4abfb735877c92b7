package testserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// Embedded are the metrics that CloudWatch takes out of a line of a log: those that it
// describes in the embedded metric format. The test server does not do that.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func Embedded(line []byte) ([]*cloudwatch.PutMetricDataInput, error) {
	var described struct {
		AWS *struct {
			Timestamp         int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct {
					Name, Unit        string
					StorageResolution int32
				}
			}
		} `json:"_aws"`
	}
	if !bytes.HasPrefix(line, []byte("{")) || json.Unmarshal(line, &described) != nil || described.AWS == nil {
		return nil, nil // a line like others
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(line, &values); err != nil {
		return nil, err
	}
	at := time.UnixMilli(described.AWS.Timestamp)
	var out []*cloudwatch.PutMetricDataInput
	for _, d := range described.AWS.CloudWatchMetrics {
		in := &cloudwatch.PutMetricDataInput{Namespace: &d.Namespace}
		for _, names := range d.Dimensions {
			dimensions, err := dimensionsOf(names, values)
			if err != nil {
				return nil, err
			}
			for _, m := range d.Metrics {
				numbers, err := numbersOf(values[m.Name])
				if err != nil {
					return nil, fmt.Errorf("metric %s: %w", m.Name, err)
				}
				in.MetricData = append(in.MetricData, types.MetricDatum{
					MetricName: &m.Name, Dimensions: dimensions, Timestamp: &at, StorageResolution: &m.StorageResolution, Unit: types.StandardUnit(m.Unit), Values: numbers, Counts: slices.Repeat([]float64{1}, len(numbers)),
				})
			}
		}
		out = append(out, in)
	}
	return out, nil
}

func dimensionsOf(names []string, values map[string]json.RawMessage) (out []types.Dimension, err error) {
	for _, name := range slices.Sorted(slices.Values(names)) {
		var text string
		if err := json.Unmarshal(values[name], &text); err != nil {
			return nil, fmt.Errorf("dimension %s: %w", name, err)
		}
		out = append(out, types.Dimension{Name: aws.String(name), Value: &text})
	}
	return out, nil
}

// numbersOf are a metric's values: one, or a list.
func numbersOf(raw json.RawMessage) (out []float64, err error) {
	var one float64
	if json.Unmarshal(raw, &one) == nil {
		return []float64{one}, nil
	}
	return out, json.Unmarshal(raw, &out)
}
