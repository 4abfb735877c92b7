package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
)

// served is the metadata of an instance, by IMDSv2 alone.
type served struct {
	mu    sync.Mutex
	known map[string]string
}

func (s *served) set(path, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[path] = value
}

func (s *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/latest/meta-data/")
	switch {
	case r.Method == http.MethodPut:
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
		_, _ = io.WriteString(w, "token")
	case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "token":
		w.WriteHeader(http.StatusUnauthorized)
	case s.known[path] == "":
		w.WriteHeader(http.StatusNotFound)
	default:
		_, _ = io.WriteString(w, s.known[path])
	}
}

// scaling is the group's side: it writes calls down, and its hook begins late.
type scaling struct {
	calls []string
	late  int
}

func (s *scaling) RecordLifecycleActionHeartbeat(_ context.Context, in *autoscaling.RecordLifecycleActionHeartbeatInput, _ ...func(*autoscaling.Options)) (*autoscaling.RecordLifecycleActionHeartbeatOutput, error) {
	if s.late > 0 {
		s.late--
		return nil, errors.New("no active lifecycle action")
	}
	s.calls = append(s.calls, fmt.Sprintf("heartbeat of %s of %s", *in.LifecycleHookName, *in.AutoScalingGroupName))
	return nil, nil
}

func (s *scaling) CompleteLifecycleAction(_ context.Context, in *autoscaling.CompleteLifecycleActionInput, _ ...func(*autoscaling.Options)) (*autoscaling.CompleteLifecycleActionOutput, error) {
	if s.late > 0 {
		s.late--
		return nil, errors.New("no active lifecycle action")
	}
	s.calls = append(s.calls, fmt.Sprintf("complete %s of %s: %s", *in.LifecycleHookName, *in.AutoScalingGroupName, *in.LifecycleActionResult))
	return nil, nil
}

func machine(t *testing.T) (*Machine, *served, *scaling) {
	t.Helper()
	md, groups := &served{known: map[string]string{"instance-id": "i-1", "instance-type": "c5.large", "autoscaling/target-lifecycle-state": "InService"}}, &scaling{}
	s := httptest.NewServer(md)
	t.Cleanup(s.Close)
	m, err := find(t.Context(), imds.New(imds.Options{Endpoint: s.URL}), groups, "paragon-dev-p", time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return m, md, groups
}

func TestKnowsItself(t *testing.T) {
	m, _, _ := machine(t)
	if m.ID != "i-1" || m.Type != "c5.large" {
		t.Errorf("it is %s of type %s", m.ID, m.Type)
	}
}

func TestNotices(t *testing.T) {
	for _, tc := range []struct {
		path, value string
		want        Notice
	}{
		{"spot/instance-action", `{"action":"terminate","time":"2026-01-01T00:00:00Z"}`, Spot},
		{"autoscaling/target-lifecycle-state", "Terminated", Terminate},
	} {
		m, md, _ := machine(t)
		got := make(chan Notice, 1)
		go func() { got <- m.Watch(t.Context()) }()
		md.set(tc.path, tc.value)
		if n := <-got; n != tc.want {
			t.Errorf("%s: notice %q, want %q", tc.path, n, tc.want)
		}
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	m, _, _ := machine(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n := m.Watch(ctx); n != "" {
		t.Errorf("notice %q", n)
	}
}

// The hook begins a while after the group has decided to end the machine: until
// then both calls are refused, and repeated for as long as their context lasts.
func TestTheHookIsAwaitedAndCompleted(t *testing.T) {
	m, _, groups := machine(t)
	groups.late = 3
	if err := errors.Join(m.AwaitHook(t.Context()), m.Complete(t.Context())); err != nil {
		t.Fatal(err)
	}
	want := "[heartbeat of drain of paragon-dev-p complete drain of paragon-dev-p: CONTINUE]"
	if got := fmt.Sprint(groups.calls); got != want {
		t.Errorf("calls %s, want %s", got, want)
	}
	m, _, groups = machine(t)
	groups.late = 1 << 30
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := errors.Join(m.Complete(ctx)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a hook that never begins was completed: %v", err)
	}
}

// balancer is the load balancer's side.
type balancer struct{ calls []string }

func (b *balancer) DeregisterTargets(_ context.Context, in *elb.DeregisterTargetsInput, _ ...func(*elb.Options)) (*elb.DeregisterTargetsOutput, error) {
	b.calls = append(b.calls, *in.TargetGroupArn+" "+*in.Targets[0].Id)
	return nil, nil
}

func TestDeregisterIsOfThisMachineAlone(t *testing.T) {
	b := &balancer{}
	m := Machine{ID: "i-1", targets: b}
	if err := m.Deregister(t.Context()); err != nil || len(b.calls) > 0 {
		t.Errorf("without a load balancer: %q, error %v", b.calls, err)
	}
	m.targetGroup = "arn:tg"
	if err := m.Deregister(t.Context()); err != nil || len(b.calls) != 1 || b.calls[0] != "arn:tg i-1" {
		t.Errorf("%q, error %v", b.calls, err)
	}
}
