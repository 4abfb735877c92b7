//go:build rehearse

package rehearse

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// table is what a table is called, by the beginning of its logical id.
func (p *play) table(id string) string {
	p.t.Helper()
	for logical, r := range p.stack.resources {
		if r.Type == "AWS::DynamoDB::Table" && strings.HasPrefix(logical, id) {
			return p.made[logical]
		}
	}
	p.t.Fatalf("the stack has no table %s", id)
	return ""
}

// rows are all items of a table.
func (p *play) rows(table string) []map[string]types.AttributeValue {
	p.t.Helper()
	name := p.table(table)
	out, err := dynamodb.NewFromConfig(p.sdk).Scan(p.t.Context(), &dynamodb.ScanInput{TableName: &name})
	must(p.t, err)
	return out.Items
}

// bytesOf is an item's size as DynamoDB counts it: names and values, a number
// by its digits.
func bytesOf(item map[string]types.AttributeValue) (n int) {
	for name, v := range item {
		n += len(name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberB:
			n += len(v.Value)
		case *types.AttributeValueMemberN:
			n += (len(v.Value)+1)/2 + 1
		default:
			n++
		}
	}
	return n
}

// units are the write units of an item.
func units(item map[string]types.AttributeValue) int { return (bytesOf(item) + 1023) / 1024 }

// countsAs holds the calls that an asynchronous query takes on a worker to the one
// count of calls by path. Traffic is slow, so that no call is shared.
func (p *play) countsAs(keyed float64, run func()) {
	p.t.Helper()
	queue := func(pattern, action string) func() int {
		return func() int { return p.stand.countLike(pattern, action) }
	}
	counts := []struct {
		lines []string // of the count
		did   func() int
	}{
		{[]string{"records of ended queries, writes", "idempotency keys, writes"}, p.recordWrites},
		{[]string{"work queue, sends"}, queue("*-work-*", "sqs:SendMessage")},
		{[]string{"work queue, deletes"}, queue("*-work-*", "sqs:DeleteMessage")},
		{[]string{"overflow queue, sends"}, queue("*-overflow", "sqs:SendMessage")},
	}
	var before []int
	for _, c := range counts {
		before = append(before, c.did())
	}
	run()
	traffic := pricing.SmallQueries(p.pricedFront(), pricing.Async)
	traffic.PerSecond, traffic.Workers, traffic.KeyedShare = 0.01, 1, keyed
	counted := pricing.Count(profile.Prices{SQSStepKB: 64}, traffic)
	for i, c := range counts {
		want := 0.0
		for _, line := range c.lines {
			want += pricing.CountOf(counted, line) / 1e6
		}
		did := func() int { return c.did() - before[i] }
		p.until(fmt.Sprintf("%q: %g calls", c.lines, want), func() bool { return float64(did()) >= want })
		if float64(did()) != want {
			p.t.Errorf("%q: %d calls, and the bill counts %g", c.lines, did(), want)
		}
	}
}

// pricedFront is the front as the count knows it.
func (p *play) pricedFront() pricing.Front {
	if p.front.listener != "" {
		return pricing.WorkersFront
	}
	return pricing.LambdaFront
}

// checkWrites counts the write units of every query that was answered by a
// queue, by the size of what was written, and holds them to what the bill counts.
func (p *play) checkWrites() {
	p.t.Helper()
	var counted []int
	for _, row := range p.rows("Records") {
		partition, _ := row[names.RecordKey].(*types.AttributeValueMemberS)
		if row["record"] == nil || strings.HasPrefix(partition.Value, "sample#") {
			continue
		}
		counted = append(counted, units(row))
		p.t.Logf("a record of %d bytes", bytesOf(row))
	}
	slices.Sort(counted)
	asynchronous := pricing.SmallQueries(p.pricedFront(), pricing.Async)
	asynchronous.PerSecond, asynchronous.Workers = 1, 1
	if want := int(pricing.CountOf(pricing.Count(profile.Prices{}, asynchronous), "records of ended queries, writes") / 1e6); len(counted) == 0 || counted[len(counted)/2] != want {
		p.t.Errorf("queries take %v write units, and the bill counts %d", counted, want)
	}
	for _, row := range p.rows("State") {
		kind, _ := row[names.StateKey].(*types.AttributeValueMemberS)
		if !strings.HasPrefix(kind.Value, "ticks") {
			p.t.Logf("the row of %s: %d bytes", kind.Value, bytesOf(row))
		}
	}
}
