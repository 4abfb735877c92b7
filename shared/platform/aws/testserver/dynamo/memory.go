package dynamo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// call is a request to DynamoDB, of whatever action.
type call struct {
	action                                                        string
	TableName                                                     string
	Key, Item                                                     row
	ConditionExpression, UpdateExpression, KeyConditionExpression string
	ExpressionAttributeNames                                      map[string]string
	ExpressionAttributeValues                                     map[string]map[string]any
	ConsistentRead                                                bool
	ScanIndexForward                                              *bool
	Limit                                                         int
	TransactItems                                                 []map[string]*call
	RequestItems                                                  map[string]struct {
		Keys           []row
		ConsistentRead bool
	}
}

// queried is the value that a query's partition has: the first of its expression.
func (c call) queried() map[string]any {
	return c.ExpressionAttributeValues[placeholder.FindString(c.KeyConditionExpression)]
}

var placeholder = regexp.MustCompile(`:\w+`)

// target is the header that names an action.
const target = "X-Amz-Target"

// readCall reads a request's call, and leaves the request to be read again; false
// when it is none to DynamoDB.
func readCall(r *http.Request) (call, bool, error) {
	service, action, _ := strings.Cut(r.Header.Get(target), ".")
	if !strings.HasPrefix(service, "DynamoDB") || r.Body == nil {
		return call{}, false, nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return call{}, false, err
	}
	_ = r.Body.Close() // it was read
	r.Body = io.NopCloser(bytes.NewReader(body))
	c := call{action: action}
	err = json.Unmarshal(body, &c)
	return c, err == nil, err
}

// Memory is tables in memory, all with one shape of key. It serves the calls that
// package aws makes, in DynamoDB's JSON.
type Memory struct {
	Partition, Sort string // names of the key's attributes

	mu   sync.Mutex
	rows map[string]map[string]map[string]row // by table, partition and item
}

// RoundTrip implements http.RoundTripper.
func (m *Memory) RoundTrip(r *http.Request) (*http.Response, error) {
	c, ok, err := readCall(r)
	if err != nil || !ok {
		return nil, fmt.Errorf("no call to DynamoDB: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch c.action {
	case "GetItem":
		return reply(r, map[string]any{"Item": m.at(c.TableName, c.Key)}), nil
	case "PutItem", "UpdateItem":
		return m.write(r, c)
	case "TransactWriteItems":
		return m.transact(r, c)
	case "Query":
		return m.query(r, c)
	case "BatchGetItem":
		found := map[string][]row{}
		for table, in := range c.RequestItems {
			for _, k := range in.Keys {
				if item := m.at(table, k); item != nil {
					found[table] = append(found[table], item)
				}
			}
		}
		return reply(r, map[string]any{"Responses": found}), nil
	}
	return nil, fmt.Errorf("no action %s", c.action)
}

// Do is RoundTrip, for clients of the SDK.
func (m *Memory) Do(r *http.Request) (*http.Response, error) { return m.RoundTrip(r) }

func (m *Memory) at(table string, key row) row {
	part, whole := key.key(m.Partition, m.Sort)
	return m.rows[table][part][whole]
}

// put stores an item.
func (m *Memory) put(table string, item row) {
	part, whole := item.key(m.Partition, m.Sort)
	if m.rows == nil {
		m.rows = map[string]map[string]map[string]row{}
	}
	if m.rows[table] == nil {
		m.rows[table] = map[string]map[string]row{}
	}
	if m.rows[table][part] == nil {
		m.rows[table][part] = map[string]row{}
	}
	m.rows[table][part][whole] = item
}

// next is what a write makes of the item in its place, when its condition holds.
func (m *Memory) next(c call) (old, item row, held bool, err error) {
	key := c.Key
	if c.Item != nil {
		key = c.Item
	}
	old = m.at(c.TableName, key)
	if held, err = holds(c.ConditionExpression, c, old); err != nil || !held {
		return old, nil, held, err
	}
	if c.Item != nil {
		return old, c.Item, true, nil
	}
	if item, err = updated(c.UpdateExpression, c, old); err != nil {
		return old, nil, true, err
	}
	for name, v := range c.Key {
		item[name] = v
	}
	return old, item, true, nil
}

func (m *Memory) write(r *http.Request, c call) (*http.Response, error) {
	old, item, held, err := m.next(c)
	if err != nil {
		return nil, err
	}
	if !held {
		return refuse(r, "ConditionalCheckFailedException", map[string]any{"Item": old}), nil
	}
	m.put(c.TableName, item)
	if c.Item != nil {
		return reply(r, map[string]any{}), nil
	}
	return reply(r, map[string]any{"Attributes": item}), nil
}

func (m *Memory) transact(r *http.Request, c call) (*http.Response, error) {
	var reasons []map[string]any
	var puts []func()
	failed := false
	for _, one := range c.TransactItems {
		for kind, w := range one {
			_, item, held, err := m.next(*w)
			if err != nil && kind != "ConditionCheck" {
				return nil, err
			}
			code := "None"
			if !held {
				code, failed = "ConditionalCheckFailed", true
			}
			reasons = append(reasons, map[string]any{"Code": code})
			if kind != "ConditionCheck" {
				puts = append(puts, func() { m.put(w.TableName, item) })
			}
		}
	}
	if failed {
		return refuse(r, "TransactionCanceledException", map[string]any{"CancellationReasons": reasons}), nil
	}
	for _, put := range puts {
		put()
	}
	return reply(r, map[string]any{}), nil
}

func (m *Memory) query(r *http.Request, c call) (*http.Response, error) {
	var found []row
	part, _ := c.queried()["S"].(string)
	for _, item := range m.rows[c.TableName][part] {
		ok, err := holds(c.KeyConditionExpression, c, item)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, item)
		}
	}
	slices.SortFunc(found, func(a, b row) int {
		d, _ := compare(a[m.Sort], b[m.Sort])
		if c.ScanIndexForward != nil && !*c.ScanIndexForward {
			d = -d
		}
		return d
	})
	if c.Limit > 0 {
		found = found[:min(c.Limit, len(found))]
	}
	return reply(r, map[string]any{"Items": found, "Count": len(found)}), nil
}

// reply answers a call.
func reply(r *http.Request, value map[string]any) *http.Response {
	return response(r, http.StatusOK, value)
}

// refuse answers a call with an error of DynamoDB's.
func refuse(r *http.Request, code string, more map[string]any) *http.Response {
	value := map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#" + code, "message": code}
	for k, v := range more {
		value[k] = v
	}
	return response(r, http.StatusBadRequest, value)
}

func response(r *http.Request, status int, value map[string]any) *http.Response {
	for name, v := range value {
		if item, ok := v.(row); ok && item == nil {
			delete(value, name)
		}
	}
	body, err := json.Marshal(value)
	if err != nil {
		panic(err) // it was JSON
	}
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Crc32": {strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10)}},
		Body:   io.NopCloser(bytes.NewReader(body))}
}
