package platform

import (
	"context"
	"errors"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Callback is a call that is owed to a caller, as its query has ended.
type Callback struct {
	ID      string    `json:"id"` // the query's
	URL     string    `json:"url"`
	EndedAt time.Time `json:"ended_at"`
	DueAt   time.Time `json:"due_at"` // of the next try
	Tries   int       `json:"tries"`  // that failed
	Fault   string    `json:"fault,omitempty"`
}

// CallbackQueue is where the messages of callbacks lie.
const CallbackQueue QueueName = "callbacks"

// CallbackMessage says that the callback of a query is to be made once the query has
// ended.
type CallbackMessage struct {
	// Query is the query without its input: with it one that expired can be ended.
	Query query.Message `json:"query"`
	DueAt time.Time     `json:"due_at"`          // not before
	Tries int           `json:"tries,omitempty"` // that failed
}

// NewCallbackMessage is the message by which the callback of a query is made, at that
// time at the earliest.
func NewCallbackMessage(m query.Message, at time.Time) CallbackMessage {
	m.Input, m.Trail, m.Trace = query.Input{}, nil, ""
	return CallbackMessage{Query: m, DueAt: at}
}

// CallbackSender sends the messages of callbacks.
type CallbackSender interface {
	// SendCallback sends a message, which comes at its DueAt, or before.
	SendCallback(ctx context.Context, c CallbackMessage) error
}

// OweCallback has the callback of a query made, if it has one, before anything says that
// the query is accepted: a process that dies after that loses nothing. The message comes once the
// latency bound is over, when the query has mostly ended and its callback is made. Without
// a sender there is nothing to do.
func OweCallback(ctx context.Context, to CallbackSender, m query.Message) error {
	if to == nil || m.Callback == "" {
		return nil
	}
	return to.SendCallback(ctx, NewCallbackMessage(m, m.DeadlineAt))
}

// ErrCallbackOver is of a callback that has arrived or is given up, and of a message
// after which there is one of a later try.
var ErrCallbackOver = errors.New("the callback was delivered or given up, or a later message makes it")

// Callbacks makes a query's callback known by messages, at least one, and keeps on the
// query's record what became of it, so that any number of messages make one call.
type Callbacks interface {
	CallbackSender
	// ClaimCallback returns the record of an ended query, whose callback nobody else
	// makes until a time, after the given number of failed tries. ErrNotFound when the query has
	// not ended or is forgotten, ErrConflict while another process has it, and
	// ErrCallbackOver.
	ClaimCallback(ctx context.Context, id string, tries int, until time.Time) (query.Record, error)
	// RetryCallback gives a claim back once there is a message with this number of tries: those with
	// fewer are over.
	RetryCallback(ctx context.Context, id string, tries int) error
	// EndCallback notes that a callback has arrived or is given up: every message of it
	// is over.
	EndCallback(ctx context.Context, id string) error
	// WaitingCallbacks counts the messages that wait, about: a query whose callback has not
	// been made has one or two.
	WaitingCallbacks(ctx context.Context) (int, error)
}
