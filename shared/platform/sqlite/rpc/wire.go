package rpc

import (
	"errors"
	"time"

	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	// MaxBody bounds a call over loopback, in bytes: ten messages with inputs of
	// 1.5 MB, and room.
	MaxBody = 16 << 20
	// maxAnswer bounds an answer: ten messages, each of which came in a call.
	maxAnswer = 10 * MaxBody
)

// The bodies of the calls over loopback, where one value is not enough.
type (
	None     struct{}
	SendCall struct {
		Queue    platform.QueueName
		Messages []query.Message
	}
	ReceiveCall struct {
		Queue       platform.QueueName
		Limit       int
		Lease, Wait time.Duration
		Number      int64 // of the lease: chosen by the client, so that it can give up what it never got
	}
	ExtendCall struct {
		Delivery platform.Delivery
		Lease    time.Duration
	}
	MoveCall struct {
		Delivery platform.Delivery
		To       platform.QueueName
		Message  query.Message // without data where SameInput
		// SameInput says that the message keeps the input that it was delivered with.
		SameInput bool
	}
	// Settled is a record and whether it was this call that made it so.
	Settled struct {
		Record query.Record
		First  bool
	}
	ListCall struct {
		Owner string
		Limit int
	}
	ReplaceCall struct {
		Old     string // id of the attempt that is replaced
		Attempt platform.Attempt
	}
	// KeyAnswer is the attempt that is held and whether it is the caller's.
	KeyAnswer struct {
		Attempt platform.Attempt
		Won     bool
	}
	SwapCall struct {
		Name    string
		Value   []byte
		Version int64
	}
	ReserveCall struct {
		Line         string
		From, Latest time.Time
		Work         time.Duration
	}
	ReserveAnswer struct {
		End time.Time
		OK  bool
	}
	SharedAnswer struct {
		Value   []byte
		Version int64
	}
	TimeCall struct {
		Now   time.Time
		Limit int
	}
	DesireCall struct {
		Pool    string
		Workers int
	}
	ReplaceWorkersCall struct {
		Pool    string
		Workers int
		IDs     []string
	}
	DrainCall struct {
		Pool string
		IDs  []string
	}
	SeriesCall struct {
		Metric     string
		Dimensions []string
		From, To   time.Time
		Period     time.Duration
	}
	RawAnswer struct {
		Values  map[string]string
		Version int64
	}
	SetCall   struct{ Name, Value string }
	LeaseCall struct {
		Holder string
		Length time.Duration
	}
	CommitCall struct {
		Lease  platform.Lease
		Memory []byte
		Entry  platform.Entry
	}
	ChangesCall struct {
		Name  string
		Limit int
	}
	VoteCall struct {
		QueryID string
		Vote    feedback.Vote
	}
	VotesCall struct {
		Cursor int64
		Limit  int
	}
	VotesAnswer struct {
		Votes  []feedback.Vote
		Cursor int64
	}
	UploadCall struct {
		Owner, ContentType string
		Limit              int
	}
	BlobCall struct {
		Owner, URI string
		Limit      int
	}
	InvokeCall struct {
		Function string
		Payload  []byte
	}
	// InvokeAnswer holds what an invocation cost also where it failed.
	InvokeAnswer struct {
		Invocation platform.Invocation
		Fault      *Fault
	}
)

// Fault is an error on its way to the client: its text, and its class so that
// errors.Is works there too.
type Fault struct {
	Class  string
	Text   string
	Reason string `json:",omitempty"` // of a store that cannot be written
}

var classes = map[string]error{
	"not_found":   platform.ErrNotFound,
	"lease_lost":  platform.ErrLeaseLost,
	"throttled":   platform.ErrThrottled,
	"fault":       platform.ErrFault,
	"too_large":   platform.ErrTooLarge,
	"unavailable": platform.ErrUnavailable,
	"revoked":     platform.ErrRevoked,
	"exists":      platform.ErrExists,
	"conflict":    platform.ErrConflict,
}

// FaultOf gives an error its class.
func FaultOf(err error) Fault {
	f := Fault{Text: err.Error()}
	for name, class := range classes {
		if errors.Is(err, class) {
			f.Class = name
		}
	}
	if store, ok := errors.AsType[*platform.StoreFault](err); ok {
		f.Reason = store.Reason
	}
	return f
}

// remoteError is a Fault as the client's callers see it.
type remoteError struct{ Fault }

func (e *remoteError) Error() string { return e.Text }
func (e *remoteError) Unwrap() error {
	if e.Reason != "" {
		return &platform.StoreFault{Reason: e.Reason}
	}
	return classes[e.Class]
}
