package settings

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/paragon-serving/paragon/shared/core/callback"
)

// Values returns every setting as text, by name: what Parse reads.
func (s Settings) Values() map[string]string {
	out := map[string]string{}
	v := reflect.ValueOf(s)
	for _, f := range fields {
		switch field := v.Field(f.index); field.Kind() {
		case reflect.String:
			out[f.Name] = field.String()
		case reflect.Int:
			out[f.Name] = strconv.FormatInt(field.Int(), 10)
		default:
			out[f.Name] = strconv.FormatFloat(field.Float(), 'g', -1, 64)
		}
	}
	return out
}

// Check reports what is wrong with a value of a setting, naming its bounds; nil
// when it may be set.
func Check(name, value string) error {
	f, ok := Lookup(name)
	if !ok {
		return fmt.Errorf("setting %q does not exist: paragon tune list --all prints all settings", name)
	}
	var s Settings
	return f.set(reflect.ValueOf(&s).Elem().Field(f.index), value)
}

// Lookup returns the description of a setting by name.
func Lookup(name string) (Field, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// Callbacks are the hosts of callback_hosts, which was checked when it was set.
func (s Settings) Callbacks() callback.Hosts {
	hosts, _ := callback.ParseHosts(s.CallbackHosts)
	return hosts
}

// settled is for how long a tick leaves arrivals alone after they were written,
// in seconds: they must have come through by then.
const settled = 2

// ArrivalSeconds is how often the API writes the arrivals that it counted: as
// seldom as the ticks allow, which look at none younger than
// metric_settle_seconds, since each write costs. At least every second counts.
func (s Settings) ArrivalSeconds() float64 { return max(1, s.MetricSettleSeconds-settled) }

// ReportSeconds is the least time between two reports of a worker: ReportViews views, and no more
// than a heartbeat, as a worker that misses some counts as stuck.
func (s Settings) ReportSeconds() float64 {
	return min(ReportViews*s.ViewSeconds, s.HeartbeatSeconds)
}

// OverflowQueueMS is by how much the way of an overflowed query to its function is longer
// than that to a worker; it holds its place on the functions for that time, too.
func (s Settings) OverflowQueueMS() float64 {
	if s.OverflowPath == "direct" {
		return 0
	}
	return max(0, s.OverflowPathMS-s.PathMS)
}

// NextBootSeconds is how long the next worker of a group takes to serve, by how many
// warm instances the group has.
func (s Settings) NextBootSeconds(warm int) float64 {
	if warm > 0 {
		return min(s.VMBootSeconds, s.WarmBootSeconds)
	}
	return s.VMBootSeconds
}
