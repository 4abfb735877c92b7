package dynamo

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"
)

// Throttle stands before a server of DynamoDB and refuses what the partitions of its
// tables have no throughput for. What is no call to DynamoDB it passes on.
type Throttle struct {
	Next      http.RoundTripper
	Now       func() time.Time
	Partition string                // name of the attribute that partitions go by
	Warm      map[string]Throughput // of tables, by the ends of their names: their warm throughput
	Scale     float64               // of all bounds; 0 means 1

	mu     sync.Mutex
	tables map[string]*Partitions
	counts Counts
}

// Counts is what became of calls.
type Counts struct{ Passed, Throttled int }

// access is what a call takes of a partition at least, before it is answered.
type access struct {
	table, key string
	units      Throughput
}

// RoundTrip implements http.RoundTripper.
func (t *Throttle) RoundTrip(r *http.Request) (*http.Response, error) {
	c, ok, err := readCall(r)
	if err != nil {
		return nil, err
	}
	if !ok {
		return t.Next.RoundTrip(r)
	}
	taken := t.accesses(c)
	for _, a := range taken {
		if !t.Table(a.table).Take(t.Now(), a.key, a.units, false) {
			t.count(false)
			return refuse(r, "ProvisionedThroughputExceededException", nil), nil
		}
	}
	t.count(true)
	res, err := t.Next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	return res, t.takeRest(c, taken, res)
}

// Do is RoundTrip, for clients of the SDK.
func (t *Throttle) Do(r *http.Request) (*http.Response, error) { return t.RoundTrip(r) }

// SetScale has all tables take that share of what DynamoDB takes from now on.
func (t *Throttle) SetScale(scale float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Scale, t.tables = scale, nil
}

// Counts is what became of calls so far.
func (t *Throttle) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

func (t *Throttle) count(passed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if passed {
		t.counts.Passed++
	} else {
		t.counts.Throttled++
	}
}

// Table is the throughput of a table.
func (t *Throttle) Table(name string) *Partitions {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tables == nil {
		t.tables = map[string]*Partitions{}
	}
	if t.tables[name] == nil {
		scale := t.Scale
		if scale == 0 {
			scale = 1
		}
		t.tables[name] = NewPartitions(t.Warm[name], scale)
	}
	return t.tables[name]
}

// accesses are those of a call: a write takes what it sends, a read the least there
// is. In a transaction each takes twice as much.
func (t *Throttle) accesses(c call) (out []access) {
	of := func(table string, key row, units Throughput) {
		text, _ := key[t.Partition]["S"].(string)
		out = append(out, access{table, text, units})
	}
	switch c.action {
	case "PutItem":
		of(c.TableName, c.Item, Throughput{Writes: writeUnits(c.Item.bytes())})
	case "UpdateItem":
		of(c.TableName, c.Key, Throughput{Writes: writeUnits(c.Key.bytes() + row(c.ExpressionAttributeValues).bytes())})
	case "GetItem":
		of(c.TableName, c.Key, Throughput{Reads: readUnits(0, c.ConsistentRead)})
	case "Query":
		of(c.TableName, row{t.Partition: c.queried()}, Throughput{Reads: readUnits(0, c.ConsistentRead)})
	case "BatchGetItem":
		for table, in := range c.RequestItems {
			for _, k := range in.Keys {
				of(table, k, Throughput{Reads: readUnits(0, in.ConsistentRead)})
			}
		}
	case "TransactWriteItems":
		for _, one := range c.TransactItems {
			for _, w := range one {
				key := w.Key
				if w.Item != nil {
					key = w.Item
				}
				of(w.TableName, key, Throughput{Writes: 2 * writeUnits(key.bytes()+row(w.ExpressionAttributeValues).bytes())})
			}
		}
	}
	return out
}

// takeRest takes what an answer shows that the call took more: a read by the bytes
// that it returned, an update by the whole item.
func (t *Throttle) takeRest(c call, taken []access, res *http.Response) error {
	if c.action != "GetItem" && c.action != "Query" && c.action != "UpdateItem" || len(taken) != 1 || res.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	_ = res.Body.Close() // it was read
	res.Body = io.NopCloser(bytes.NewReader(body))
	var answer struct {
		Item, Attributes row
		Items            []row
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	size := answer.Item.bytes()
	for _, item := range answer.Items {
		size += item.bytes()
	}
	a := taken[0]
	more := Throughput{Reads: readUnits(size, c.ConsistentRead) - a.units.Reads}
	if c.action == "UpdateItem" {
		more = Throughput{Writes: max(0, writeUnits(answer.Attributes.bytes())-a.units.Writes)}
	}
	if more != (Throughput{}) {
		t.Table(a.table).Take(t.Now(), a.key, more, true)
	}
	return nil
}
