package local

import (
	"errors"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/feedback"
	"paragon/shared/core/query"
)

// maxBody bounds a request over loopback, in bytes: ten messages of the
// largest inline limit (700 KB), in JSON, and room.
const maxBody = 16 << 20

// The bodies of the calls over loopback, where one value is not enough.
type (
	none     struct{}
	sendCall struct {
		Queue    cloud.QueueName
		Messages []query.Message
	}
	receiveCall struct {
		Queue       cloud.QueueName
		Limit       int
		Lease, Wait time.Duration
		Number      int64 // of the lease: chosen by the client, so that it can give up what it never got
	}
	extendCall struct {
		Delivery cloud.Delivery
		Lease    time.Duration
	}
	moveCall struct {
		Delivery cloud.Delivery
		To       cloud.QueueName
		Message  query.Message
	}
	acceptCall struct {
		Record  query.Record
		To      cloud.QueueName
		Message query.Message
	}
	finishCall struct {
		ID      string
		Outcome query.Outcome
	}
	// settled is a record and whether it was this call that made it so.
	settled struct {
		Record query.Record
		First  bool
	}
	timeCall struct {
		Now   time.Time
		Limit int
	}
	recentCall struct {
		Owner string
		Limit int
	}
	desireCall struct {
		Pool    string
		Workers int
	}
	drainCall struct {
		Pool string
		IDs  []string
	}
	seriesCall struct {
		Metric     string
		Dimensions []string
		From, To   time.Time
		Period     time.Duration
	}
	rawAnswer struct {
		Values  map[string]string
		Version int64
	}
	setCall   struct{ Name, Value string }
	claimCall struct {
		Holder string
		Length time.Duration
	}
	commitCall struct {
		Lease  cloud.Lease
		Memory []byte
		Entry  cloud.Entry
	}
	changesCall struct {
		Name  string
		Limit int
	}
	voteCall struct {
		QueryID string
		Vote    feedback.Vote
	}
	votesCall struct {
		Cursor int64
		Limit  int
	}
	votesAnswer struct {
		Votes  []feedback.Vote
		Cursor int64
	}
	uploadCall struct {
		Owner, ContentType string
		Limit              int
	}
	blobCall struct {
		Owner, URI string
		Limit      int
	}
	invokeCall struct {
		Function string
		Payload  []byte
	}
	// invokeAnswer holds what an invocation cost also where it failed.
	invokeAnswer struct {
		Invocation cloud.Invocation
		Fault      *fault
	}
)

// fault is an error on its way to the client: its text, and its class so that
// errors.Is works there too.
type fault struct {
	Class string
	Text  string
}

var classes = map[string]error{
	"not_found":   cloud.ErrNotFound,
	"lease_lost":  cloud.ErrLeaseLost,
	"throttled":   cloud.ErrThrottled,
	"fault":       cloud.ErrFault,
	"too_large":   cloud.ErrTooLarge,
	"unavailable": cloud.ErrUnavailable,
	"revoked":     cloud.ErrRevoked,
	"exists":      cloud.ErrExists,
}

func faultOf(err error) fault {
	f := fault{Text: err.Error()}
	for name, class := range classes {
		if errors.Is(err, class) {
			f.Class = name
		}
	}
	return f
}

// remoteError is a fault as the client's callers see it.
type remoteError struct{ fault }

func (e *remoteError) Error() string { return e.Text }
func (e *remoteError) Unwrap() error { return classes[e.Class] }
