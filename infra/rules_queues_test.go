package infra

import (
	"fmt"
	"slices"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func queueRules() []rule {
	return []rule{
		{"the stage has all its queues and no other", func(a assembly) (bad []string) {
			want := []platform.QueueName{platform.Overflow, platform.DeadLetters, platform.CallbackQueue}
			for _, p := range a.plan.pools {
				want = append(want, platform.WorkQueue(p.name, "strict"), platform.WorkQueue(p.name, "relaxed"))
			}
			for _, q := range want {
				if a.queue(q) == nil {
					bad = append(bad, string(q))
				}
			}
			if n := len(a.t.of("SQS::Queue")); n != len(want) {
				bad = append(bad, fmt.Sprintf("%d queues, want %d", n, len(want)))
			}
			return bad
		}, func(a assembly) { a.queue(platform.Overflow).Properties["QueueName"] = "paragon-dev-overflows" }},
		{"every queue has the dead-letter queue, except that queue itself and the queue of callbacks", func(a assembly) (bad []string) {
			for _, id := range a.t.of("SQS::Queue") {
				q := a.t.Resources[id]
				dead := a.t.Resources[refers(q.prop("RedrivePolicy", "deadLetterTargetArn"))]
				name := q.prop("QueueName")
				last := name == names.Queue(a.cfg.Stage, platform.DeadLetters) || name == names.Queue(a.cfg.Stage, platform.CallbackQueue)
				if last != (dead == nil) || !last && dead.prop("QueueName") != names.Queue(a.cfg.Stage, platform.DeadLetters) {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { delete(a.queue(platform.Overflow).Properties, "RedrivePolicy") }},
		{"every queue is encrypted", func(a assembly) (bad []string) {
			for _, id := range a.t.of("SQS::Queue") {
				if a.t.Resources[id].prop("SqsManagedSseEnabled") != true {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.queue(platform.Overflow).Properties["SqsManagedSseEnabled"] = false }},
		{"every queue, topic and bucket requires TLS", tlsFaults, func(a assembly) {
			delete(a.t.Resources, a.t.of("SQS::QueuePolicy")[0])
		}},
	}
}

func messageRules() []rule {
	return []rule{
		{"the visibility timeout is at least six times the consumer's timeout", func(a assembly) (bad []string) {
			for _, id := range a.t.of("Lambda::EventSourceMapping") {
				m := a.t.Resources[id]
				q, f := a.t.Resources[refers(m.prop("EventSourceArn"))], a.behind(m.prop("FunctionName"))
				if number(q.prop("VisibilityTimeout")) < 6*number(f.prop("Timeout")) {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { a.queue(platform.Overflow).Properties["VisibilityTimeout"] = 359.0 }},
		{"queues accept a message with the largest inline input", func(a assembly) (bad []string) {
			for _, id := range a.t.of("SQS::Queue") {
				if n := number(a.t.Resources[id].prop("MaximumMessageSize")); n < float64(platform.MessageInputBytes)*4/3+16<<10 {
					bad = append(bad, fmt.Sprintf("%s: %v bytes", id, n))
				}
			}
			return bad
		}, func(a assembly) { a.queue(platform.Overflow).Properties["MaximumMessageSize"] = float64(256 << 10) }},
		{"a message that is often returned to its queue does not become a dead letter", func(a assembly) (bad []string) {
			for _, p := range a.plan.pools {
				for _, q := range []platform.QueueName{platform.WorkQueue(p.name, "strict"), platform.WorkQueue(p.name, "relaxed")} {
					if r := a.queue(q); r != nil && number(r.prop("RedrivePolicy", "maxReceiveCount")) < 50 {
						bad = append(bad, string(q))
					}
				}
			}
			return bad
		}, func(a assembly) {
			a.queue("work-strict-general").prop("RedrivePolicy").(map[string]any)["maxReceiveCount"] = 3.0
		}},
	}
}

// tlsFaults wants a statement that denies what comes without TLS on each.
func tlsFaults(a assembly) (bad []string) {
	held := map[string]bool{}
	for kind, property := range map[string]string{"SQS::QueuePolicy": "Queues", "SNS::TopicPolicy": "Topics", "S3::BucketPolicy": "Bucket"} {
		for _, id := range a.t.of(kind) {
			p := a.t.Resources[id]
			denies := slices.ContainsFunc(list(p.prop("PolicyDocument", "Statement")), func(s any) bool {
				return at(s, "Effect") == "Deny" && at(s, "Condition", "Bool", "aws:SecureTransport") == "false"
			})
			for _, on := range list(p.prop(property)) {
				held[refers(on)] = held[refers(on)] || denies
			}
		}
	}
	for _, kind := range []string{"SQS::Queue", "SNS::Topic", "S3::Bucket"} {
		for _, id := range a.t.of(kind) {
			if !held[id] {
				bad = append(bad, id)
			}
		}
	}
	return bad
}
