package callbacks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Caller makes single calls and decides what is to become of them. All of it is required.
type Caller struct {
	Settings func() settings.Settings
	Keys     callback.Keys // that sign
	Reach    callback.Reach
	HTTP     *http.Client             // made by NewHTTP
	Query    func(r query.Record) any // a query as its caller sees it
	Now      func() time.Time
	Draw     func() float64 // from 0 to 1, spreads the tries
	Log      *slog.Logger
}

// result is what became of a callback after a try.
type result int

const (
	arrived result = iota
	again          // it is tried again
	givenUp
)

// errFinal says that no other try mends it.
var errFinal = errors.New("the callback is not sent again")

// after decides what becomes of a callback whose try ended with an error, or without one:
// the callback as it is tried again, if it is.
func (o *Caller) after(c platform.Callback, err error) (platform.Callback, result) {
	if err == nil {
		return c, arrived
	}
	c.Tries++
	c.Fault = err.Error()
	c.DueAt = o.Now().Add(callback.Wait(c.Tries, o.Draw()))
	limit := c.EndedAt.Add(query.Duration(o.Settings().CallbackHours * 3600 * 1000))
	if errors.Is(err, errFinal) || c.DueAt.After(limit) {
		o.Log.Warn("gave up a callback", "query", c.ID, "host", callback.HostOf(c.URL), "tries", c.Tries, "error", err)
		return c, givenUp
	}
	o.Log.Info("a callback failed and will be sent again", "query", c.ID, "host", callback.HostOf(c.URL), "tries", c.Tries, "at", c.DueAt, "error", err)
	return c, again
}

// event is the body of a call.
type event struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // of the query's end
	Data      any       `json:"data"`
}

// Finished is the type of the one event that there is.
const Finished = "query.finished"

// call sends one callback. The host's list is read anew: a host that was taken off it
// gets nothing more.
func (o *Caller) call(ctx context.Context, c platform.Callback, r query.Record) error {
	if err := callback.Check(c.URL, o.Settings().Callbacks(), o.Reach); err != nil {
		return fmt.Errorf("the address %w: %w", err, errFinal)
	}
	body, err := json.Marshal(event{Finished, c.EndedAt.UTC(), o.Query(r)})
	if err != nil {
		return fmt.Errorf("encode the query: %w: %w", err, errFinal)
	}
	return o.post(ctx, c, body)
}
