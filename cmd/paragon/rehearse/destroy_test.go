//go:build rehearse

package rehearse

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// load is queries that come one after another, several at a time.
type load struct {
	over     atomic.Bool
	asking   sync.WaitGroup
	mu       sync.Mutex
	statuses map[int]int // how often each was answered
}

// askers are how many callers ask at a time.
const askers = 4

// beginLoad has callers ask relaxed queries and wait for a second for each answer.
func (s *scenario) beginLoad() *load {
	s.t.Helper()
	l := &load{statuses: map[int]int{}}
	body := askedWithin(s.bound, fetched, query.Relaxed, s.inline())
	for range askers {
		l.asking.Go(func() {
			for !l.over.Load() && s.ctx.Err() == nil {
				got := s.request("POST", "/v1/queries", body, "Prefer", "wait=1")
				l.mu.Lock()
				l.statuses[got.Code]++
				l.mu.Unlock()
			}
		})
	}
	return l
}

// end has no more queries come, and returns how often each status was answered.
func (l *load) end() map[int]int {
	l.over.Store(true)
	l.asking.Wait()
	return l.statuses
}

// destroy deletes the stack as CloudFormation does: whatever nothing depends on at the
// same time, and then what nothing depends on any more. The callers ask until the API
// is gone.
func (s *scenario) destroy() {
	s.t.Helper()
	s.stand.scaling.SetHookTimeout(s.hookTimeout())
	left := maps.Clone(s.stack.resources)
	for len(left) > 0 {
		needed := map[string]bool{}
		for id, r := range left {
			for _, other := range r.needs() {
				needed[other] = needed[other] || other != id
			}
		}
		var deleting sync.WaitGroup
		before := len(left)
		for id, r := range left {
			if !needed[id] {
				deleting.Go(func() { s.delete(id, r) })
				delete(left, id)
			}
		}
		deleting.Wait()
		if len(left) == before {
			s.t.Fatalf("%s: the resources depend on one another: %v", s.line, slices.Sorted(maps.Keys(left)))
		}
	}
}

// delete deletes a resource, as far as that is of consequence here.
func (s *scenario) delete(id string, r resource) {
	if strings.HasPrefix(r.DeletionPolicy, "Retain") { // except on create, which is over
		return
	}
	switch r.Type {
	case "AWS::ApiGatewayV2::Stage":
		s.front.gone.Store(true)
		for status, n := range s.load.end() {
			if status != http.StatusOK && status != http.StatusAccepted && status != http.StatusServiceUnavailable && status != http.StatusNotFound {
				s.t.Errorf("%s: %d queries were answered %d", s.line, n, status)
			}
		}
	case "AWS::Scheduler::Schedule":
		if strings.HasSuffix(r.Properties["Name"].(string), "tick") {
			close(s.over)
		}
	case "AWS::AutoScaling::AutoScalingGroup":
		s.deleteGroup()
	case "AWS::SQS::Queue":
		s.noError(sqs.NewFromConfig(s.sdk).DeleteQueue(s.ctx, &sqs.DeleteQueueInput{QueueUrl: aws.String(s.made[id])}))
	case "AWS::DynamoDB::Table":
		s.noError(dynamodb.NewFromConfig(s.sdk).DeleteTable(s.ctx, &dynamodb.DeleteTableInput{TableName: aws.String(s.made[id])}))
	}
}

// noError fails where a call has failed, from whichever goroutine.
func (s *scenario) noError(_ any, err error) {
	if err != nil {
		s.t.Errorf("%s: %v", s.line, err)
	}
}

// lateKey is the access key of the workers that start as their group is deleted.
const lateKey = "late"

// deleteGroup has the group end its instances, each of which drains, and waits for them.
// On those that boot yet the worker starts now, which never reports.
func (s *scenario) deleteGroup() {
	s.stand.scaling.Close(groupName)
	var booting []string
	for _, id := range s.instances() {
		s.askScaling("TerminateInstanceInAutoScalingGroup", "InstanceId", id, "ShouldDecrementDesiredCapacity", "true")
		if s.processes[id] == nil {
			s.processes[id] = s.startWorker(id, "AWS_ACCESS_KEY_ID="+lateKey)
			booting = append(booting, id)
		}
	}
	for end := time.Now().Add(patience); len(s.instances()) > 0; {
		if time.Now().After(end) {
			s.t.Errorf("%s: %v passed and these are still there: %q", s.line, patience, s.instances())
			return
		}
		<-time.After(time.Second)
		s.askScaling("DescribeAutoScalingGroups", "AutoScalingGroupNames.member.1", groupName)
	}
	for _, row := range s.rows("State") {
		name, _ := row[names.StateSort].(*types.AttributeValueMemberS)
		if name != nil && row["report"] != nil && slices.Contains(booting, name.Value) {
			s.t.Errorf("%s: the worker on %s, which booted as it was to end, has reported to the fleet", s.line, name.Value)
		}
	}
}

// askScaling calls the groups with their hooks.
func (s *scenario) askScaling(action string, more ...string) {
	callStand(s.t, s.url, "autoscaling", form(append([]string{"Action", action, "Version", "2011-01-01"}, more...)...))
}

// hookTimeout is how long the group waits for an instance that it ends.
func (s *scenario) hookTimeout() time.Duration {
	s.t.Helper()
	for _, r := range s.stack.resources {
		hooks, _ := r.Properties["LifecycleHookSpecificationList"].([]any)
		for _, h := range hooks {
			hook := h.(map[string]any)
			if hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING" {
				return time.Duration(hook["HeartbeatTimeout"].(float64)) * time.Second
			}
		}
	}
	s.t.Fatalf("%s: the group has no termination hook", s.line)
	return 0
}

var substituted = regexp.MustCompile(`\$\{([A-Za-z0-9]+)[.}]`)

// needs are the resources that one names.
func (r resource) needs() []string { return append(mentions(r.Properties), words(r.DependsOn)...) }

// words is one word or a list of them.
func words(v any) (out []string) {
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, e := range v {
			out = append(out, words(e)...)
		}
	}
	return out
}

// mentions are the ids that a value refers to.
func mentions(v any) (ids []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			ids = append(ids, mentions(e)...)
		}
	case map[string]any:
		for key, e := range v {
			switch list := words(e); key {
			case "Ref":
				ids = append(ids, list...)
			case "Fn::GetAtt":
				ids = append(ids, list[:min(1, len(list))]...)
			case "Fn::Sub":
				for _, text := range list {
					for _, m := range substituted.FindAllStringSubmatch(text, -1) {
						ids = append(ids, m[1])
					}
				}
			default:
				ids = append(ids, mentions(e)...)
			}
		}
	}
	return ids
}

// gone holds that the workers have left by themselves, before what they drain by was
// deleted, that one that booted meanwhile has not served, that no instance, queue or
// table is left, and that the bucket is.
func (s *scenario) gone() {
	s.t.Helper()
	for id, w := range s.processes {
		select {
		case err := <-w.done:
			if err != nil {
				s.t.Errorf("%s: the worker of %s ended with %v", s.line, id, err)
			}
		case <-time.After(patience):
			s.t.Errorf("%s: the worker of %s is still there", s.line, id)
		}
		for line := range strings.Lines(w.said.String()) {
			if strings.Contains(line, "NonExistentQueue") || strings.Contains(line, "ResourceNotFound") {
				s.t.Errorf("%s: what a worker drains by was gone before it: %s", s.line, line)
			}
		}
	}
	if s.stand.count(lateKey, "", "autoscaling:CompleteLifecycleAction") == 0 {
		s.t.Errorf("%s: no instance has booted meanwhile, or its group waited for it in vain", s.line)
	}
	if n := s.stand.count(lateKey, "", "sqs:ReceiveMessage"); n > 0 {
		s.t.Errorf("%s: a worker that booted meanwhile asked for queries %d times", s.line, n)
	}
	if left := s.instances(); len(left) > 0 {
		s.t.Errorf("%s: instances %q are left", s.line, left)
	}
	if !strings.Contains(callStand(s.t, s.moto, "ec2", form("Action", "DescribeInstances", "Version", "2016-11-15")), "<name>terminated</name>") {
		s.t.Errorf("%s: no instance was ended", s.line)
	}
	queues, err := sqs.NewFromConfig(s.sdk).ListQueues(s.ctx, &sqs.ListQueuesInput{})
	must(s.t, err)
	tables, err := dynamodb.NewFromConfig(s.sdk).ListTables(s.ctx, &dynamodb.ListTablesInput{})
	must(s.t, err)
	if len(queues.QueueUrls)+len(tables.TableNames) > 0 {
		s.t.Errorf("%s: queues %q and tables %q are left", s.line, queues.QueueUrls, tables.TableNames)
	}
	kept := 0
	for id, r := range s.stack.resources {
		if r.Type != "AWS::S3::Bucket" {
			continue
		}
		_, err := s3.NewFromConfig(s.sdk, func(o *s3.Options) { o.UsePathStyle = true }).HeadBucket(s.ctx, &s3.HeadBucketInput{Bucket: aws.String(s.made[id])})
		must(s.t, err)
		kept++
	}
	if kept == 0 {
		s.t.Errorf("%s: no bucket is kept", s.line)
	}
}
