package testserver

import (
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// call makes a request of a service as the SDK signs it.
func call(t *testing.T, f http.RoundTripper, key, service, target, body string) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://server", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key+"/20260101/us-east-1/"+service+"/aws4_request")
	r.Header.Set("X-Amz-Target", target)
	res, err := f.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close() // nothing is read
	return res.StatusCode
}

// recorder takes down the bodies that reach the server.
type recorder struct{ bodies []string }

func (s *recorder) answer(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	s.bodies = append(s.bodies, string(b))
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}"))}, err
}

// What goes wrong follows from the seed, and is what the plan says.
func TestFaultsDependOnTheirSeed(t *testing.T) {
	play := func(seed uint64) (statuses []int, bodies []string) {
		s := &recorder{}
		f := &Faults{Next: s.answer, Spared: "test"}
		f.Begin(Plan{Seed: seed, Throttled: map[string]float64{"dynamodb": 0.5, "": 0.1}, Twice: 0.5, Delayed: 0.5, Delay: 2 * time.Second})
		for range 50 {
			statuses = append(statuses, call(t, f, "worker", "dynamodb", "DynamoDB.GetItem", `{}`),
				call(t, f, "worker", "sqs", "AmazonSQS.SendMessageBatch", `{"Entries":[{"Id":"0"}]}`), call(t, f, "test", "dynamodb", "DynamoDB.GetItem", `{}`))
		}
		return statuses, s.bodies
	}
	statuses, bodies := play(7)
	again, same := play(7)
	if !reflect.DeepEqual(statuses, again) || !reflect.DeepEqual(bodies, same) {
		t.Error("one seed, two plays")
	}
	if other, _ := play(8); reflect.DeepEqual(statuses, other) {
		t.Error("another seed, the same play")
	}
	refused, spared, sent, late := 0, 0, 0, 0
	for i, status := range statuses {
		if i%3 == 2 && status != http.StatusOK {
			spared++
		} else if i%3 == 0 && status != http.StatusOK {
			refused++
		}
	}
	for _, b := range bodies {
		if strings.Contains(b, "Entries") {
			sent++
		}
		if strings.Contains(b, `"DelaySeconds":2`) {
			late++
		}
	}
	if refused < 10 || refused > 40 || spared > 0 || sent < 55 || late < 10 || late > sent-10 {
		t.Errorf("%d of 50 calls refused, %d of those that are spared; 50 batches arrived %d times, %d late", refused, spared, sent, late)
	}
}

// A point is asked for once it is old enough to be shown.
func TestPointsAreShownLate(t *testing.T) {
	s := &recorder{}
	f := &Faults{Next: s.answer}
	f.Begin(Plan{Seed: 1, PointsLate: time.Minute})
	body := "Action=GetMetricData&EndTime=" + time.Now().UTC().Format("2006-01-02T15:04:05Z")
	call(t, f, "controller", "monitoring", "", body)
	if len(s.bodies) != 1 || s.bodies[0] == body || !strings.Contains(s.bodies[0], "Action=GetMetricData") {
		t.Errorf("the server was asked %q", s.bodies)
	}
}

// A read that lags is answered as the one before was; one that must be consistent never is.
func TestReadsLag(t *testing.T) {
	n := 0
	f := &Faults{Next: func(*http.Request) (*http.Response, error) {
		n++
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(strconv.Itoa(n)))}, nil
	}}
	f.Begin(Plan{Seed: 1, Lagging: 1})
	read := func(body string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://server", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=api/20260101/us-east-1/dynamodb/aws4_request")
		r.Header.Set("X-Amz-Target", "DynamoDB.GetItem")
		res, err := f.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(got)
	}
	if got := read(`{}`) + read(`{}`) + read(`{}`); got != "112" {
		t.Errorf("three reads are answered %s, each but the first as the one before it", got)
	}
	if got := read(`{"ConsistentRead":true}`) + read(`{"ConsistentRead":true}`); got != "45" {
		t.Errorf("two consistent reads are answered %s", got)
	}
}

// Points are left out with their values, and come in another answer.
func TestPointsComeOutOfOrder(t *testing.T) {
	const all = `<r><Timestamps><member>1</member><member>2</member><member>3</member></Timestamps><Values><member>1.0</member><member>2.0</member><member>3.0</member></Values></r>`
	f := &Faults{Next: func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(all))}, nil
	}}
	f.Begin(Plan{Seed: 3, Gaps: 0.5})
	shown := map[string]int{}
	for range 20 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://server", strings.NewReader("Action=GetMetricData"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=controller/20260101/us-east-1/monitoring/aws4_request")
		res, err := f.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, point := range []string{"1", "2", "3"} {
			time, value := strings.Contains(string(got), "<member>"+point+"</member>"), strings.Contains(string(got), "<member>"+point+".0</member>")
			if time != value {
				t.Fatalf("a point without its value: %s", got)
			}
			if time {
				shown[point]++
			}
		}
	}
	for point, n := range shown {
		if n < 3 || n > 17 {
			t.Errorf("point %s is in %d of 20 answers", point, n)
		}
	}
}
