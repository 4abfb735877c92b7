package aws

import (
	"context"
	"encoding/base64"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asg "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// sender notes batches, and fails where a test sets it to.
type sender struct {
	queueClient
	batches [][]types.SendMessageBatchRequestEntry
	to      []string // queue of each
	deleted int
	failed  []types.BatchResultErrorEntry
}

func (s *sender) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	s.batches, s.to = append(s.batches, in.Entries), append(s.to, *in.QueueUrl)
	return &sqs.SendMessageBatchOutput{Failed: s.failed}, nil
}

func (s *sender) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	s.deleted += len(in.Entries)
	return &sqs.DeleteMessageBatchOutput{}, nil
}

func queuesOver(s *sender) *queues {
	return &queues{client: s, prefix: "q/", now: time.Now, leases: leases{now: time.Now}}
}

func sized(bytes int) query.Message {
	return query.Message{ID: "q", Input: query.Input{Data: make([]byte, bytes*3/4)}}
}

// A batch keeps SQS's bounds of number and of size.
func TestSendKeepsBounds(t *testing.T) {
	for _, tc := range []struct {
		name string
		msgs []query.Message
		want []int // messages of each batch
	}{
		{"none", nil, nil},
		{"many", slices.Repeat([]query.Message{sized(1)}, 23), []int{10, 10, 3}},
		{"large", slices.Repeat([]query.Message{sized(400_000)}, 5), []int{2, 2, 1}},
	} {
		s := &sender{}
		if err := queuesOver(s).Send(t.Context(), "to", tc.msgs...); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		var got []int
		for _, b := range s.batches {
			got = append(got, len(b))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: batches of %v, want %v", tc.name, got, tc.want)
		}
	}
	if err := queuesOver(&sender{}).Send(t.Context(), "to", sized(1<<20)); !errors.Is(err, platform.ErrTooLarge) {
		t.Errorf("a message above the bound: %v, want ErrTooLarge", err)
	}
}

// SQS refuses two characters that JSON may hold.
func TestEncodeEscapesWhatSQSRefuses(t *testing.T) {
	body, err := encode(query.Message{Owner: "a\uFFFEb\uFFFFc"})
	if err != nil || strings.ContainsAny(body, "\uFFFE\uFFFF") || !strings.Contains(body, `a\ufffeb\uffffc`) {
		t.Errorf("%q, error %v", body, err)
	}
}

// A move whose send fails deletes nothing, and a release keeps the count.
func TestMoveSendsBeforeItDeletes(t *testing.T) {
	bad := &sender{failed: []types.BatchResultErrorEntry{{Id: aws.String("0"), Code: aws.String("InternalError")}}}
	d := platform.Delivery{Message: query.Message{ID: "a", Attempts: 1}, Receipt: "h", Queue: "from", Receives: 3}
	if err := queuesOver(bad).Move(t.Context(), d, "to", d.Message); !errors.Is(err, platform.ErrUnavailable) || bad.deleted != 0 {
		t.Errorf("error %v, %d deleted", err, bad.deleted)
	}
	good := &sender{}
	if err := queuesOver(good).Release(t.Context(), d); err != nil || good.deleted != 1 {
		t.Fatalf("error %v, %d deleted", err, good.deleted)
	}
	if body := *good.batches[0][0].MessageBody; !strings.Contains(body, `"attempts":3`) {
		t.Errorf("released as %s, want its two uncounted receives counted", body)
	}
	if err := queuesOver(bad).Release(t.Context(), d); !errors.Is(err, platform.ErrUnavailable) || bad.deleted != 0 {
		t.Errorf("released: error %v, %d deleted", err, bad.deleted)
	}
}

// What is given back goes ten to a call, to the queue that it is of.
func TestReleaseGoesByTens(t *testing.T) {
	s := &sender{}
	ds := slices.Repeat([]platform.Delivery{{Receipt: "h", Queue: "a", Receives: 1}}, 23)
	if err := queuesOver(s).Release(t.Context(), append(ds, platform.Delivery{Receipt: "h", Queue: "b", Receives: 1})...); err != nil {
		t.Fatal(err)
	}
	got := map[string][]int{}
	for i, b := range s.batches {
		got[s.to[i]] = append(got[s.to[i]], len(b))
	}
	if want := map[string][]int{"q/a": {10, 10, 3}, "q/b": {1}}; !reflect.DeepEqual(got, want) || s.deleted != 24 {
		t.Errorf("batches of %v, want %v; %d deleted", got, want, s.deleted)
	}
}

// groups is a group as it stands.
type groups struct {
	group      asg.AutoScalingGroup
	set        []int32
	ended      []string // ids of instances, "-" before those that took their place with them
	activities []asg.Activity
	reads      int // of activities and warm instances
	warm       []asg.Instance
	unread     error
}

func (g *groups) DescribeScalingActivities(context.Context, *autoscaling.DescribeScalingActivitiesInput, ...func(*autoscaling.Options)) (*autoscaling.DescribeScalingActivitiesOutput, error) {
	g.reads++
	return &autoscaling.DescribeScalingActivitiesOutput{Activities: g.activities}, g.unread
}

func (g *groups) TerminateInstanceInAutoScalingGroup(_ context.Context, in *autoscaling.TerminateInstanceInAutoScalingGroupInput, _ ...func(*autoscaling.Options)) (*autoscaling.TerminateInstanceInAutoScalingGroupOutput, error) {
	id := *in.InstanceId
	if *in.ShouldDecrementDesiredCapacity {
		id = "-" + id
	}
	g.ended = append(g.ended, id)
	return &autoscaling.TerminateInstanceInAutoScalingGroupOutput{}, nil
}

func (g *groups) DescribeWarmPool(_ context.Context, in *autoscaling.DescribeWarmPoolInput, _ ...func(*autoscaling.Options)) (*autoscaling.DescribeWarmPoolOutput, error) {
	g.reads++
	if in.NextToken == nil {
		return &autoscaling.DescribeWarmPoolOutput{Instances: g.warm[:1], NextToken: aws.String("more")}, g.unread
	}
	return &autoscaling.DescribeWarmPoolOutput{Instances: g.warm[1:]}, g.unread
}

func (g *groups) DescribeAutoScalingGroups(context.Context, *autoscaling.DescribeAutoScalingGroupsInput, ...func(*autoscaling.Options)) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
	read := g.group
	read.Instances = slices.Clone(read.Instances)
	return &autoscaling.DescribeAutoScalingGroupsOutput{AutoScalingGroups: []asg.AutoScalingGroup{read}}, nil
}

func (g *groups) SetDesiredCapacity(_ context.Context, in *autoscaling.SetDesiredCapacityInput, _ ...func(*autoscaling.Options)) (*autoscaling.SetDesiredCapacityOutput, error) {
	g.set = append(g.set, *in.DesiredCapacity)
	return &autoscaling.SetDesiredCapacityOutput{}, nil
}

// To desire fewer workers than there are would have the group choose victims.
func TestDesiredNeverChoosesVictims(t *testing.T) {
	in, out := asg.LifecycleStateInService, asg.LifecycleStateTerminatingWait
	for _, tc := range []struct {
		name    string
		states  []asg.LifecycleState
		desired int32
		want    int
		set     []int32
		fails   bool
	}{
		{"more", []asg.LifecycleState{in}, 1, 3, []int32{3}, false},
		{"as many", []asg.LifecycleState{in}, 1, 1, nil, false},
		{"fewer than there are", []asg.LifecycleState{in, in, in}, 3, 1, nil, false},
		{"fewer than were asked for, before they came", []asg.LifecycleState{in}, 5, 2, []int32{2}, false},
		{"one is leaving", []asg.LifecycleState{in, out}, 2, 1, []int32{1}, false},
		{"below the minimum", nil, 2, 0, []int32{1}, false},
		{"above the maximum", []asg.LifecycleState{in}, 1, 9, nil, true},
	} {
		g := &groups{group: asg.AutoScalingGroup{MinSize: aws.Int32(1), MaxSize: aws.Int32(8), DesiredCapacity: &tc.desired}}
		for _, s := range tc.states {
			g.group.Instances = append(g.group.Instances, asg.Instance{LifecycleState: s})
		}
		err := (&fleet{groups: g, stage: "dev", now: time.Now}).SetDesired(t.Context(), "p", tc.want)
		if !slices.Equal(g.set, tc.set) || (err != nil) != tc.fails {
			t.Errorf("%s: set %v, want %v; error %v", tc.name, g.set, tc.set, err)
		}
	}
}

// A silent instance is booting; a silent worker that no group knows is not there.
func TestWorkersJoinInstancesAndReports(t *testing.T) {
	now := time.Now()
	row := func(id string, at time.Time, launched int64) item {
		doc, err := document(platform.WorkerReport{ID: id, State: platform.Ready, At: at})
		if err != nil {
			t.Fatal(err)
		}
		r := workerKey("p", id)
		r[reportAttribute], r[stateAttribute], r[launchedAttribute] = doc, text("ready"), number(launched)
		return r
	}
	instances := []asg.Instance{
		{InstanceId: aws.String("i-new"), InstanceType: aws.String("c5.large"), LifecycleState: asg.LifecycleStatePending},
		{InstanceId: aws.String("i-old"), LifecycleState: asg.LifecycleStateInService},
		{InstanceId: aws.String("i-quiet"), LifecycleState: asg.LifecycleStateInService},
		{InstanceId: aws.String("i-leaves"), LifecycleState: asg.LifecycleStateTerminatingWait},
	}
	f := &fleet{now: func() time.Time { return now }}
	ws, silent, since, err := f.join(instances, []item{
		row("i-leaves", now, 3), row("i-old", now, 2), row("i-quiet", now.Add(-time.Hour), 1), row("i-lost", now.Add(-time.Hour), 0),
		{names.StateSort: text("i-new"), launchedAttribute: number(7)},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range ws {
		got = append(got, w.ID+" "+string(w.State))
	}
	want := []string{"i-quiet ready", "i-old ready", "i-leaves draining"}
	if !slices.Equal(got, want) || len(silent) != 1 || *silent[0].InstanceId != "i-new" || since["i-new"].UnixMicro() != 7 {
		t.Errorf("workers %q, want %q; silent %v since %v", got, want, silent, since)
	}
}

// lambdaFunction answers one call.
type lambdaFunction struct {
	out *lambda.InvokeOutput
	err error
}

func (f lambdaFunction) Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	return f.out, f.err
}

func TestInvokeReportsWhatWasBilled(t *testing.T) {
	log := base64.StdEncoding.EncodeToString([]byte("END RequestId: 1\nREPORT RequestId: 1\tDuration: 12.30 ms\tBilled Duration: 513 ms\t" +
		"Memory Size: 1769 MB\tMax Memory Used: 90 MB\tInit Duration: 500.25 ms\t\n"))
	v := &invoker{client: lambdaFunction{out: &lambda.InvokeOutput{Payload: []byte(`{}`), LogResult: &log}}}
	inv, err := v.Invoke(t.Context(), "f", nil)
	if err != nil || inv.BilledMS != 513 || inv.InitMS != 500.25 || string(inv.Payload) != "{}" {
		t.Errorf("%+v, error %v", inv, err)
	}
	v.client = lambdaFunction{out: &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"),
		Payload: []byte(`{"errorType":"Runtime.ExitError","errorMessage":"secret"}`)}}
	if _, err := v.Invoke(t.Context(), "f", nil); !errors.Is(err, platform.ErrFault) || !strings.Contains(err.Error(), "Runtime.ExitError") || strings.Contains(err.Error(), "secret") {
		t.Errorf("a fault is %v", err)
	}
	v.client = lambdaFunction{err: api("TooManyRequestsException")}
	if _, err := v.Invoke(t.Context(), "f", nil); !errors.Is(err, platform.ErrThrottled) {
		t.Errorf("a throttle is %v", err)
	}
}

// With fair queues each message names its owner, and no two owners share a name;
// without them none is named, which costs less.
func TestMessagesNameTheirOwnersForFairQueues(t *testing.T) {
	of := func(owner string) query.Message { return query.Message{ID: "q", Owner: owner} }
	for _, fair := range []bool{false, true} {
		s := &sender{}
		q := queuesOver(s)
		q.fair = fair
		if err := q.Send(t.Context(), "to", of("ann"), of("bob"), of("ann"), of("")); err != nil {
			t.Fatal(err)
		}
		names := map[string]int{}
		for _, e := range s.batches[0] {
			name := aws.ToString(e.MessageGroupId)
			names[name]++
			if len(name) > 128 || fair != (name != "") {
				t.Errorf("fair %v: named %q", fair, name)
			}
		}
		if fair && len(names) != 3 || !fair && names[""] != 4 {
			t.Errorf("fair %v: %v", fair, names)
		}
	}
}
