package spock

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
)

// Seconds is a trace as its simulator takes it: how many tasks come at the
// start of each second, and of which type they all are. Its files leave seconds
// out in which nothing came: they have none here.
type Seconds struct {
	Tasks []int
	Types []int
}

// FromTrace makes its kind of trace of counts; the types, which a plain trace
// does not say, are drawn.
func FromTrace(t arrivals.Trace, seed uint64) (Seconds, error) {
	if t.Step != time.Second || len(t.Counts) == 0 {
		return Seconds{}, fmt.Errorf("spock: it plays traces of one-second steps, not of %s", t.Step)
	}
	types := rand.New(rand.NewPCG(seed, 31))
	var out Seconds
	for _, c := range t.Counts {
		tasks := int(math.Round(c))
		if tasks == 0 {
			tasks = none
		}
		out.Tasks = append(out.Tasks, tasks)
		out.Types = append(out.Types, types.IntN(len(slots)))
	}
	return out, nil
}

// none marks a second that its file leaves out.
const none = -1

// Read reads its own trace files, second,count,type,tasks without a header,
// from a second on, length seconds of them.
func Read(r io.Reader, from, length int) (Seconds, error) {
	var out Seconds
	last := 0
	for row, err := range arrivals.Rows(r) {
		if err != nil {
			return out, fmt.Errorf("spock: %w", err)
		}
		cells := row.Cells
		if len(cells) != 4 {
			return out, fmt.Errorf("spock: line %d: %v does not have four columns", row.Line, cells)
		}
		at, e0 := strconv.Atoi(cells[0])
		kind, e1 := strconv.Atoi(cells[2])
		tasks, e2 := strconv.Atoi(cells[3])
		if err := errors.Join(e0, e1, e2); err != nil || kind < 0 || kind >= len(slots) || tasks < 0 || tasks > 1e6 || at <= last {
			return out, fmt.Errorf("spock: line %d: %v is no second,count,type,tasks after second %d", row.Line, cells, last)
		}
		last = at
		for at > from && at <= from+length && len(out.Tasks) < at-from-1 {
			out.Tasks, out.Types = append(out.Tasks, none), append(out.Types, 0)
		}
		if at > from && at <= from+length {
			out.Tasks, out.Types = append(out.Tasks, tasks), append(out.Types, kind)
		}
	}
	if len(out.Tasks) == 0 {
		return out, fmt.Errorf("spock: no second from %d on", from)
	}
	return out, nil
}
