package testserver

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// groupServer is a server with one group, which launches another instance in place of
// one that is ended without its place.
type groupServer struct {
	ids      []string
	launches int
	missing  int // of those that are desired
}

func (s *groupServer) answer(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	if id := form.Get("InstanceId"); form.Get("Action") == "TerminateInstanceInAutoScalingGroup" {
		s.ids = slices.DeleteFunc(s.ids, func(have string) bool { return have == id })
		if form.Get("ShouldDecrementDesiredCapacity") == "false" {
			s.launches++
			s.ids = append(s.ids, fmt.Sprintf("new-%d", s.launches))
		}
	}
	var list strings.Builder
	for _, id := range s.ids {
		fmt.Fprintf(&list, "<member><InstanceId>%s</InstanceId><LifecycleState>InService</LifecycleState></member>", id)
	}
	text := fmt.Sprintf("<AutoScalingGroupName>g</AutoScalingGroupName><MinSize>0</MinSize><MaxSize>9</MaxSize><DesiredCapacity>%d</DesiredCapacity><Instances>%s</Instances>", len(s.ids)+s.missing, list.String())
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, err
}

// callGroup makes a call to a group as the SDK does.
func callGroup(t *testing.T, g *Groups, pairs ...string) (status int, said string) {
	t.Helper()
	form := url.Values{"AutoScalingGroupName": {"g"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://server", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/autoscaling/aws4_request")
	res, err := g.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// A refresh ends one of two instances, and the other one only when the one in the place
// of the first serves.
func TestARefreshWaitsForWhatServes(t *testing.T) {
	s := &groupServer{ids: []string{"a", "b"}}
	g := &Groups{Next: s.answer, LaunchHooks: true}
	complete := func(id string) {
		callGroup(t, g, "Action", "CompleteLifecycleAction", "LifecycleHookName", LaunchHook, "InstanceId", id)
	}
	describe := func() string {
		_, said := callGroup(t, g, "Action", "DescribeAutoScalingGroups")
		return said
	}
	complete("a")
	complete("b")
	g.Refresh("g", 90, "a", "b")
	for range 3 { // one that does not serve is ended at no time by the refresh that launched it
		describe()
	}
	if want := []string{"b", "new-1"}; !slices.Equal(s.ids, want) {
		t.Fatalf("the group has %q, want %q", s.ids, want)
	}
	s.ids, s.missing = []string{"b"}, 1 // new-1 was ended, and what takes its place is not there yet
	if describe(); !slices.Equal(s.ids, []string{"b"}) {
		t.Fatalf("the last instance that served was ended: the group has %q", s.ids)
	}
	s.ids, s.missing = append(s.ids, "new-1"), 0
	if said := describe(); strings.Count(said, "Pending:Wait") != 1 || g.Replaced("g") {
		t.Errorf("an instance that does not serve yet is shown as %s", said)
	}
	complete("new-1")
	for range 2 {
		describe()
	}
	if want := []string{"new-1", "new-2"}; !slices.Equal(s.ids, want) || !g.Replaced("g") {
		t.Errorf("the group has %q, want %q", s.ids, want)
	}
}

// An instance that was ended serves no longer, also in a description that was asked for
// while it did and arrives late: a refresh does not end the other one for it.
func TestALateDescriptionBringsNobodyBack(t *testing.T) {
	s := &groupServer{ids: []string{"a", "b"}}
	g := &Groups{Next: s.answer, LaunchHooks: true}
	for _, id := range s.ids {
		callGroup(t, g, "Action", "CompleteLifecycleAction", "LifecycleHookName", LaunchHook, "InstanceId", id)
	}
	g.Refresh("g", 90, "a", "b")
	callGroup(t, g, "Action", "DescribeAutoScalingGroups")
	callGroup(t, g, "Action", "CompleteLifecycleAction", "LifecycleHookName", "drain", "InstanceId", "a")
	callGroup(t, g, "Action", "DescribeAutoScalingGroups")
	s.ids = []string{"a", "b"} // as they were
	if _, said := callGroup(t, g, "Action", "DescribeAutoScalingGroups"); strings.Contains(said, "<InstanceId>a<") {
		t.Errorf("the instance that was ended is back: %s", said)
	}
	if g.Leaving("b") {
		t.Error("the last instance that served was ended")
	}
}

// A group that is closed takes no more instances, and ends those that it has as before.
func TestAClosedGroupTakesNoMore(t *testing.T) {
	s := &groupServer{ids: []string{"a"}}
	g := &Groups{Next: s.answer}
	g.Close("g")
	if status, _ := callGroup(t, g, "Action", "SetDesiredCapacity", "DesiredCapacity", "2"); status != http.StatusBadRequest {
		t.Errorf("more are desired, answered %d", status)
	}
	if _, said := callGroup(t, g, "Action", "DescribeAutoScalingGroups"); !strings.Contains(said, "<MaxSize>0</MaxSize><DesiredCapacity>0<") || !strings.Contains(said, "<InstanceId>a<") {
		t.Errorf("the group is %s", said)
	}
	callGroup(t, g, "Action", "TerminateInstanceInAutoScalingGroup", "InstanceId", "a", "ShouldDecrementDesiredCapacity", "true")
	if len(s.ids) != 0 {
		t.Errorf("%q are left", s.ids)
	}
}

// A call that is kept reaches the server when it is let go, and no other one is kept.
func TestACallIsKept(t *testing.T) {
	s := &recorder{}
	f := &Faults{Next: s.answer}
	f.Hold("controller", "PutItem")
	if f.Release() != 0 {
		t.Error("a call was there before it came")
	}
	f.Hold("controller", "PutItem")
	call(t, f, "api", "dynamodb", "DynamoDB.PutItem", `{"by":"api"}`)
	call(t, f, "controller", "dynamodb", "DynamoDB.GetItem", `{"reads":1}`)
	if f.Held() {
		t.Fatal("another call is kept")
	}
	done := make(chan int, 1)
	go func() { done <- call(t, f, "controller", "dynamodb", "DynamoDB.PutItem", `{"kept":1}`) }()
	for end := time.Now().Add(patience); !f.Held() && time.Now().Before(end); {
		<-time.After(pollEvery)
	}
	call(t, f, "controller", "dynamodb", "DynamoDB.PutItem", `{"kept":2}`)
	if len(s.bodies) != 3 || strings.Contains(strings.Join(s.bodies, ""), `{"kept":1}`) {
		t.Errorf("%q have reached the server", s.bodies)
	}
	if status := f.Release(); status != http.StatusOK || <-done != http.StatusOK || s.bodies[len(s.bodies)-1] != `{"kept":1}` {
		t.Errorf("it was answered %d, and %q have reached the server", status, s.bodies)
	}
}

// The given number of calls of an action by a caller is throttled, and no other ones.
func TestTheNextCallsAreRefused(t *testing.T) {
	f := &Faults{Next: (&recorder{}).answer}
	f.Refuse("dispatcher", "PutItem", 2)
	var got []int
	for _, who := range []string{"api", "dispatcher", "dispatcher", "dispatcher"} {
		got = append(got, call(t, f, who, "dynamodb", "DynamoDB.PutItem", `{}`))
	}
	if want := []int{200, 400, 400, 200}; !slices.Equal(got, want) {
		t.Errorf("answered %v, want %v", got, want)
	}
}
