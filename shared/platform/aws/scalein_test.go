package aws

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	asg "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/paragon-serving/paragon/shared/platform"
)

// While instances are missing, the newest launch that has ended says why; nothing
// is read while none is missing.
func TestLaunchFaultsAreReadFromActivities(t *testing.T) {
	now := time.Now()
	activity := func(what string, status asg.ScalingActivityStatusCode, ago time.Duration, message string) asg.Activity {
		return asg.Activity{Description: &what, StatusCode: status, StartTime: aws.Time(now.Add(-ago)), StatusMessage: &message}
	}
	const launch = "Launching a new EC2 instance: i-1"
	failed := activity(launch, asg.ScalingActivityStatusCodeFailed, time.Minute,
		"We currently do not have sufficient c5.large capacity in the zone you requested (us-east-1a). Our system will be working on it.")
	for _, tc := range []struct {
		name       string
		missing    bool
		activities []asg.Activity
		want       string
	}{
		{"nobody is missing", false, []asg.Activity{failed}, ""},
		{"no capacity", true, []asg.Activity{failed}, "We currently do not have sufficient c5.large capacity in the zone you requested (us-east-1a)"},
		{"the next one is under way", true, []asg.Activity{activity(launch, asg.ScalingActivityStatusCodeInProgress, 0, ""), failed},
			"We currently do not have sufficient c5.large capacity in the zone you requested (us-east-1a)"},
		{"one has come since", true, []asg.Activity{activity(launch, asg.ScalingActivityStatusCodeSuccessful, 0, ""), failed}, ""},
		{"an instance could not be ended", true, []asg.Activity{activity("Terminating EC2 instance: i-2", asg.ScalingActivityStatusCodeFailed, 0, "x")}, ""},
		{"long ago", true, []asg.Activity{activity(launch, asg.ScalingActivityStatusCodeFailed, time.Hour, "x")}, ""},
		{"without a word", true, []asg.Activity{activity(launch, asg.ScalingActivityStatusCodeCancelled, 0, "")}, "Cancelled"},
		{"a long story", true, []asg.Activity{activity(launch, asg.ScalingActivityStatusCodeFailed, 0, strings.Repeat("x", 1000))}, strings.Repeat("x", longestFault)},
	} {
		g := &groups{activities: tc.activities, group: asg.AutoScalingGroup{MaxSize: aws.Int32(8), DesiredCapacity: aws.Int32(1)}}
		if !tc.missing {
			g.group.Instances = []asg.Instance{{InstanceId: aws.String("i-1"), LifecycleState: asg.LifecycleStatePending}}
		}
		got, err := (&fleet{groups: g, stage: "dev", now: func() time.Time { return now }}).Group(t.Context(), "p")
		if err != nil || got.LaunchFault != tc.want || (g.reads > 0) != tc.missing {
			t.Errorf("%s: %q, want %q; %d reads, error %v", tc.name, got.LaunchFault, tc.want, g.reads, err)
		}
	}
}

// Activities that cannot be read take nothing from what is known of the group.
func TestUnreadActivitiesLeaveTheGroup(t *testing.T) {
	throttled := errors.New("Rate exceeded")
	g := &groups{unread: throttled, group: asg.AutoScalingGroup{MinSize: aws.Int32(1), MaxSize: aws.Int32(8), DesiredCapacity: aws.Int32(3)}}
	got, err := (&fleet{groups: g, stage: "dev", now: time.Now}).Group(t.Context(), "p")
	if want := (platform.Group{Min: 1, Max: 8, Desired: 3}); got != want || !errors.Is(err, platform.ErrLaunchesUnread) || !errors.Is(err, throttled) {
		t.Errorf("%+v, %v; want %+v with the limits' and the reading's errors", got, err, want)
	}
}

// Dead workers take their places with them while more are desired than are to be
// left, and never below the group's minimum; those on their way out, and those of
// no group, are not ended again.
func TestReplaceShrinksToWhatIsLeft(t *testing.T) {
	for _, tc := range []struct {
		desired, least int32
		left           int
		want           []string
	}{
		{4, 0, 4, []string{"i-1", "i-2"}},
		{4, 0, 3, []string{"-i-1", "i-2"}},
		{4, 0, 1, []string{"-i-1", "-i-2"}},
		{4, 3, 1, []string{"-i-1", "i-2"}},
		{2, 0, 4, []string{"i-1", "i-2"}},
	} {
		g := &groups{group: asg.AutoScalingGroup{MinSize: &tc.least, MaxSize: aws.Int32(8), DesiredCapacity: &tc.desired, Instances: []asg.Instance{
			{InstanceId: aws.String("i-1"), LifecycleState: asg.LifecycleStateInService}, {InstanceId: aws.String("i-2"), LifecycleState: asg.LifecycleStatePending},
			{InstanceId: aws.String("i-3"), LifecycleState: asg.LifecycleStateTerminatingWait},
		}}}
		f := &fleet{groups: g, stage: "dev", now: time.Now, table: table{client: rowsOf{}}}
		if err := f.Replace(t.Context(), "p", tc.left, "i-1", "i-2", "i-3", "w-elsewhere"); err != nil || !slices.Equal(g.ended, tc.want) {
			t.Errorf("of %d desired, %d left: ended %q, want %q; error %v", tc.desired, tc.left, g.ended, tc.want, err)
		}
	}
}

// rowsOf takes every update.
type rowsOf struct{ tableClient }

func (rowsOf) UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return &dynamodb.UpdateItemOutput{}, nil
}
