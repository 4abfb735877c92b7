package infra

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/jsii-runtime-go"
)

// WarmThroughput is what the table of records takes from its first second on, in units
// a second; 0 leaves what DynamoDB gives a table: 4,000 writes and 12,000 reads at
// first, and twice its former peak. It is paid for once, and cannot be lowered.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html
type WarmThroughput struct {
	Writes float64 `json:"writes"`
	Reads  float64 `json:"reads"`
}

// leastWarm is what a new table takes anyway, and mostWarm bounds a typing error.
var leastWarm, mostWarmed = WarmThroughput{4000, 12_000}, WarmThroughput{1e6, 3e6}

// check refuses what a table has anyway.
func (w WarmThroughput) check() error {
	for _, v := range []struct {
		name               string
		value, least, most float64
	}{{"writes", w.Writes, leastWarm.Writes, mostWarmed.Writes}, {"reads", w.Reads, leastWarm.Reads, mostWarmed.Reads}} {
		if v.value != 0 && (v.value < v.least || v.value > v.most) {
			return fmt.Errorf("context \"warm_throughput\": %s is %v, and must be 0 or %.0f to %.0f", v.name, v.value, v.least, v.most)
		}
	}
	return nil
}

// warmTable makes a table warm where the context asks for it.
func (s *stack) warmTable(t awsdynamodb.Table) {
	if s.WarmThroughput == (WarmThroughput{}) {
		return
	}
	t.Node().DefaultChild().(awsdynamodb.CfnTable).SetWarmThroughput(&awsdynamodb.CfnTable_WarmThroughputProperty{
		WriteUnitsPerSecond: jsii.Number(max(leastWarm.Writes, s.WarmThroughput.Writes)),
		ReadUnitsPerSecond:  jsii.Number(max(leastWarm.Reads, s.WarmThroughput.Reads)),
	})
}
