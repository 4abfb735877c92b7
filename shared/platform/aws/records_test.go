package aws

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

// recordTable answers calls as it is set up to, and keeps them.
type recordTable struct {
	tableClient
	calls []string
	put   func(*dynamodb.PutItemInput) (*dynamodb.PutItemOutput, error)
	get   func() (*dynamodb.GetItemOutput, error)
	query func(*dynamodb.QueryInput) *dynamodb.QueryOutput
	tries int // that the last update may take
}

func (r *recordTable) UpdateItem(_ context.Context, _ *dynamodb.UpdateItemInput, with ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	o := dynamodb.Options{Retryer: retry.NewStandard()}
	for _, f := range with {
		f(&o)
	}
	r.tries = o.Retryer.MaxAttempts()
	return &dynamodb.UpdateItemOutput{}, nil
}

func (r *recordTable) PutItem(_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	r.calls = append(r.calls, "PutItem")
	return r.put(in)
}

func (r *recordTable) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	r.calls = append(r.calls, "GetItem")
	return r.get()
}

func (r *recordTable) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	r.calls = append(r.calls, "Query")
	return r.query(in), nil
}

// points counts what is put.
type points struct {
	platform.Metrics
	n int
}

func (p *points) Put(_ context.Context, ps ...platform.Point) error {
	p.n += len(ps)
	return nil
}

func recordsOver(t *recordTable) (*records, *points) {
	p := &points{}
	return &records{table: table{t, "r"}, metrics: p, now: time.Now, log: slog.New(slog.DiscardHandler)}, p
}

func ended(t *testing.T, kind signed.Kind, at time.Time) query.Record {
	t.Helper()
	keys, err := signed.NewKeys([]byte("the key of this test's stage"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := signed.NewID(rand.Reader, kind, "ann", at, at.Add(time.Minute), at.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return query.Record{ID: keys.SignID(id), Owner: "ann", State: query.Failed, AcceptedAt: at, ForgetAt: at.Add(time.Hour)}
}

// A record is one write whatever comes of it, and the SDK's repeat of a write
// whose answer was lost finds its own record and has won.
func TestARecordIsOneWrite(t *testing.T) {
	for _, c := range []struct {
		name string
		held func(mine item) item // nil: nothing is in the way
		won  bool
		late int
	}{
		{"the first", nil, true, 0},
		{"a repeat of itself", func(mine item) item { return mine }, true, 0},
		{"late", func(item) item { return item{recordAttribute: text(`{"id":"other"}`)} }, false, 1},
	} {
		client := &recordTable{put: func(in *dynamodb.PutItemInput) (*dynamodb.PutItemOutput, error) {
			if c.held != nil {
				return nil, &types.ConditionalCheckFailedException{Item: c.held(in.Item)}
			}
			return &dynamodb.PutItemOutput{}, nil
		}}
		r, counted := recordsOver(client)
		_, won, err := r.PutRecord(t.Context(), ended(t, signed.Stored, time.Now()))
		if err != nil || won != c.won || counted.n != c.late || !slices.Equal(client.calls, []string{"PutItem"}) {
			t.Errorf("%s: won %v, error %v, %d counted as late, calls %v", c.name, won, err, counted.n, client.calls)
		}
	}
}

// A shared value is written once, whatever comes: the SDK's repeat of a write
// whose answer was lost would say that nothing was stored.
func TestASwapIsTriedOnce(t *testing.T) {
	client := &recordTable{}
	s := &shared{table: table{client, "s"}}
	if v, err := s.SwapShared(t.Context(), "limits", []byte("x"), 3); err != nil || v != 4 || client.tries != 1 {
		t.Errorf("version %d after at most %d tries, error %v", v, client.tries, err)
	}
}

// A wait goes on through a throttle and ends with the record, or with a fault
// that no later read will mend.
func TestAWaitOutlastsThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := ended(t, signed.Stored, time.Now())
		doc, err := document(want)
		if err != nil {
			t.Fatal(err)
		}
		client := &recordTable{}
		client.get = func() (*dynamodb.GetItemOutput, error) {
			switch len(client.calls) {
			case 1:
				return nil, api("ThrottlingException")
			case 2:
				return &dynamodb.GetItemOutput{}, nil
			}
			return &dynamodb.GetItemOutput{Item: item{recordAttribute: doc}}, nil
		}
		r, _ := recordsOver(client)
		if got, err := r.AwaitRecord(t.Context(), want.ID); err != nil || got.ID != want.ID || len(client.calls) != 3 {
			t.Errorf("got %s after %d reads, error %v", got.ID, len(client.calls), err)
		}
		client.get = func() (*dynamodb.GetItemOutput, error) { return nil, api("AccessDeniedException") }
		if _, err := r.AwaitRecord(t.Context(), want.ID); err == nil || errors.Is(err, platform.ErrNotFound) {
			t.Errorf("a wait that is not allowed ends with %v", err)
		}
	})
}

// The reads of a wait are what its documentation says that it costs.
func TestAWaitReadsTenTimesInItsFirstSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &recordTable{get: func() (*dynamodb.GetItemOutput, error) { return &dynamodb.GetItemOutput{}, nil }}
		r, _ := recordsOver(client)
		for seconds, want := range map[int]int{1: 10, 5: 26} {
			client.calls = nil
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second)
			if _, err := r.AwaitRecord(ctx, ended(t, signed.Stored, time.Now()).ID); !errors.Is(err, platform.ErrNotFound) {
				t.Error(err)
			}
			cancel()
			if n := len(client.calls); n != want {
				t.Errorf("%d reads in %d s, want %d", n, seconds, want)
			}
		}
	})
}

// Rows that are forgotten and not yet deleted are passed over, and a page of
// nothing else ends the search: there may be millions of them.
func TestForgottenRowsArePassedOver(t *testing.T) {
	now := time.Now()
	row := func(i int, forget time.Time) item {
		return item{"sk": text(fmt.Sprint(i)), "forget": number(forget.Unix())}
	}
	kept, gone := now.Add(time.Hour), now.Add(-time.Hour)
	pages := [][]item{{row(9, kept), row(8, gone)}, {row(7, kept), row(6, gone)}, {row(5, gone), row(4, gone)}, {row(3, kept)}}
	client := &recordTable{}
	client.query = func(*dynamodb.QueryInput) *dynamodb.QueryOutput {
		at := len(client.calls) - 1
		return &dynamodb.QueryOutput{Items: pages[at], LastEvaluatedKey: item{"sk": text("more")}}
	}
	r, _ := recordsOver(client)
	rows, err := r.newest(t.Context(), "p", "", 10)
	if err != nil || len(rows) != 2 || textOf(rows[1], "sk") != "7" || len(client.calls) != 3 {
		t.Errorf("%d rows in %d calls, error %v", len(rows), len(client.calls), err)
	}
}
