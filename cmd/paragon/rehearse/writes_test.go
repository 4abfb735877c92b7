//go:build rehearse

package rehearse

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"paragon/shared/cloud/aws/names"
	"paragon/shared/core/pricing"
	"paragon/shared/core/profile"
)

// rows are all items of a table.
func (p *play) rows(table string) []map[string]types.AttributeValue {
	p.t.Helper()
	name := names.Prefix(stage) + table
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

// checkWrites counts the write units of every query that was answered, by the
// sizes of what was written, and holds them to what the bill counts.
func (p *play) checkWrites() {
	p.t.Helper()
	var counted []int
	for _, end := range p.rows("queries") {
		if end["outcome"] == nil {
			continue
		}
		began := maps.Clone(end)
		delete(began, "outcome")
		began[names.OpenKey], began[names.OpenSort] = &types.AttributeValueMemberS{Value: "7"}, &types.AttributeValueMemberN{Value: "1795000000000"}
		const indexes, left = 3, 1 // entries made, and taken out at the end
		counted = append(counted, units(began)+indexes+units(end)+left)
		p.t.Logf("a query of %d bytes, %d at its end", bytesOf(began), bytesOf(end))
	}
	slices.Sort(counted)
	asynchronous := pricing.SmallQueries(pricing.LambdaFront, pricing.Async)
	asynchronous.PerSecond, asynchronous.Workers = 1, 1
	if want := int(pricing.CountOf(pricing.Count(profile.Prices{}, asynchronous), "terminal records") / 1e6); len(counted) == 0 || counted[len(counted)/2] != want {
		p.t.Errorf("queries take %v write units, and the bill counts %d", counted, want)
	}
	for _, row := range p.rows("state") {
		kind, _ := row[names.StateKey].(*types.AttributeValueMemberS)
		if !strings.HasPrefix(kind.Value, "record") && !strings.HasPrefix(kind.Value, "ticks") {
			p.t.Logf("the row of %s: %d bytes", kind.Value, bytesOf(row))
		}
	}
}
