package dynamo

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// table is a table in memory behind its partitions.
type table struct {
	*testing.T
	throttle *Throttle
}

func makeTable(t *testing.T) table {
	return table{t, &Throttle{Next: &Memory{Partition: "pk", Sort: "sk"}, Now: func() time.Time { return noon }, Partition: "pk"}}
}

// call makes a call, and returns its answer with the class of its error.
func (c table) call(action, body string) (answer map[string]any, fault string) {
	c.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://dynamo", strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set(target, "DynamoDB_20120810."+action)
	res, err := c.throttle.RoundTrip(r)
	if err != nil {
		c.Fatalf("%s %s: %v", action, body, err)
	}
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.Fatal(err)
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		c.Fatal(err)
	}
	if full, failed := answer["__type"].(string); failed {
		_, fault, _ = strings.Cut(full, "#")
	}
	return answer, fault
}

const key = `"pk":{"S":"a"},"sk":{"S":"b"}`

// The conditions and updates that the backend writes do what they say.
func TestMemoryKeepsConditions(t *testing.T) {
	c := makeTable(t)
	put := `{"TableName":"t","Item":{` + key + `,"n":{"N":"4"}},"ConditionExpression":"attribute_not_exists(#pk) OR #n <= :now","ExpressionAttributeNames":{"#pk":"pk","#n":"n"},"ExpressionAttributeValues":{":now":{"N":"3"}}}`
	for i, want := range []string{"", "ConditionalCheckFailedException"} {
		if answer, fault := c.call("PutItem", put); fault != want {
			t.Errorf("put %d: %v", i, answer)
		}
	}
	update := func(condition string, value int) string {
		_, fault := c.call("UpdateItem", fmt.Sprintf(`{"TableName":"t","Key":{%s},"UpdateExpression":"SET #n = #n + :one, #m = if_not_exists(#m, :v) ADD #k :one","ConditionExpression":%q,
			"ExpressionAttributeNames":{"#n":"n","#m":"m","#k":"k"},"ExpressionAttributeValues":{":one":{"N":"1"},":v":{"N":"%d"}}}`, key, condition, value))
		return fault
	}
	for _, tc := range []struct {
		condition string
		held      bool
	}{{"#n BETWEEN :one AND :v", true}, {"#n BETWEEN :v AND :v AND #n = #n", false}, {"(#n = :one OR #n <> :v) AND attribute_not_exists(z)", true}, {"z = :v", false}, {"z < :v OR #n > :v", false}} {
		if fault := update(tc.condition, 9); (fault == "") != tc.held {
			t.Errorf("%s: %q", tc.condition, fault)
		}
	}
	answer, _ := c.call("GetItem", `{"TableName":"t","Key":{`+key+`},"ConsistentRead":true}`)
	if got, want := fmt.Sprint(answer["Item"]), "map[k:map[N:2] m:map[N:9] n:map[N:6] pk:map[S:a] sk:map[S:b]]"; got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
}

// A transaction is all or nothing, and a query is in the order of its sort keys.
func TestMemoryKeepsTransactionsAndOrder(t *testing.T) {
	c := makeTable(t)
	item := func(sort string) string { return `{"pk":{"S":"a"},"sk":{"S":"` + sort + `"}}` }
	transact := func(sort string) string {
		_, fault := c.call("TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"t","Item":`+item(sort)+`}},{"Put":{"TableName":"t","Item":`+item("once")+`,"ConditionExpression":"attribute_not_exists(pk)"}}]}`)
		return fault
	}
	if first, second := transact("1"), transact("2"); first != "" || second != "TransactionCanceledException" {
		t.Errorf("transactions: %q, %q", first, second)
	}
	c.call("PutItem", `{"TableName":"t","Item":`+item("0")+`}`)
	answer, _ := c.call("Query", `{"TableName":"t","KeyConditionExpression":"pk = :x AND sk < :end","ScanIndexForward":false,"Limit":9,"ExpressionAttributeValues":{":x":{"S":"a"},":end":{"S":"once"}}}`)
	if got, want := fmt.Sprint(answer["Items"]), "[map[pk:map[S:a] sk:map[S:1]] map[pk:map[S:a] sk:map[S:0]]]"; got != want {
		t.Errorf("they are %s, want %s", got, want)
	}
	if answer, _ := c.call("BatchGetItem", `{"RequestItems":{"t":{"Keys":[`+item("0")+`,`+item("9")+`]}}}`); len(fmt.Sprint(answer)) < 20 {
		t.Errorf("a batch is %v", answer)
	}
}

// Writes take a unit a begun KB, in a transaction two, and reads one for 4 KB, half of
// it where they need not be consistent.
func TestCallsTakeTheirUnits(t *testing.T) {
	for _, tc := range []struct {
		action, body string
		want         Throughput
	}{
		{"PutItem", `{"TableName":"t","Item":{` + key + `}}`, Throughput{Writes: 1}},
		{"PutItem", `{"TableName":"t","Item":{` + key + `,"d":{"S":"` + strings.Repeat("x", 1020) + `"}}}`, Throughput{Writes: 2}},
		{"UpdateItem", `{"TableName":"t","Key":{` + key + `},"UpdateExpression":"SET d = :d","ExpressionAttributeValues":{":d":{"S":"` + strings.Repeat("x", 2040) + `"}}}`, Throughput{Writes: 2}},
		{"TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"t","Item":{` + key + `}}}]}`, Throughput{Writes: 2}},
		{"GetItem", `{"TableName":"t","Key":{` + key + `}}`, Throughput{Reads: 0.5}},
		{"GetItem", `{"TableName":"t","Key":{` + key + `},"ConsistentRead":true}`, Throughput{Reads: 1}},
	} {
		c := makeTable(t)
		if _, fault := c.call(tc.action, tc.body); fault != "" {
			t.Errorf("%s: %s", tc.action, fault)
		}
		if got, _ := c.throttle.Table("t").Hottest(); got != tc.want {
			t.Errorf("%s %.60s took %v, want %v", tc.action, tc.body, got, tc.want)
		}
	}
}

// A read of a large row takes its units once it is answered, and those after it go
// without when there are none left.
func TestALargeRowIsReadSeldom(t *testing.T) {
	c := makeTable(t)
	c.throttle.Scale = 0.01 // 30 units of reads, 10 of writes
	c.call("PutItem", `{"TableName":"t","Item":{`+key+`,"d":{"S":"`+strings.Repeat("x", 9000)+`"}}}`)
	answered := 0
	for range 20 {
		if _, fault := c.call("GetItem", `{"TableName":"t","Key":{`+key+`},"ConsistentRead":true}`); fault == "" {
			answered++
		}
	}
	if answered != 10 || c.throttle.Counts().Throttled != 10 {
		t.Errorf("%d reads of 9 KB are answered with 30 units", answered)
	}
}
