package intake

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/platform"
)

// A model that the view withholds, as no platform could run it, is not offered, whether
// it is named or its task is; refusals and the status say why. It is offered again when a view
// withholds it no more.
func TestWhatTheViewWithholdsIsNotOffered(t *testing.T) {
	cat := catalogue()
	other := cat.Models[0]
	other.Name, other.Accuracy.Top1Percent = "other", 1
	cat.Models = append(cat.Models, other)
	d := newTestService(t, func(c *Config) { c.Catalogue = cat })
	best := cat.Models[0].Name
	publish := func(withheld map[string]string) {
		t.Helper()
		d.clock.advance(2 * time.Second)
		p := placement.Pool{Name: "general", InstanceType: "c5.large", Workers: 1, Runners: 2, At: d.clock.now()}
		if err := d.Backend.Fleet.PublishView(t.Context(), platform.FleetView{Pools: []placement.Pool{p}, At: p.At, Withheld: withheld}); err != nil {
			t.Fatal(err)
		}
		d.refreshView(t.Context())
		d.Settle()
		d.refreshView(t.Context())
	}
	chosen := func(model string) (string, error) {
		t.Helper()
		r := request(500)
		r.Model = model
		a, err := d.Take(t.Context(), "me", r, Terms{})
		if err != nil {
			return "", err
		}
		return a.Record.Model, nil
	}
	const why = "linux/amd64: no such operator"
	for _, withheld := range []map[string]string{nil, {best: why}, {best: why, "other": why}, nil} {
		publish(withheld)
		for _, m := range cat.Models {
			got, err := chosen(m.Name)
			if withheld[m.Name] == "" && (err != nil || got != m.Name) {
				t.Errorf("withheld %v: for %s came %q, error %v", withheld, m.Name, got, err)
			}
			if no := (*Refusal)(nil); withheld[m.Name] != "" && (!errors.As(err, &no) || no.Kind != NoCapacity || !strings.Contains(err.Error(), why)) {
				t.Errorf("withheld %v: for %s came %q, error %v", withheld, m.Name, got, err)
			}
		}
		got, err := chosen("")
		switch {
		case len(withheld) == len(cat.Models):
			if no := (*Refusal)(nil); !errors.As(err, &no) || no.Kind != NoCapacity || !strings.Contains(err.Error(), why) {
				t.Errorf("withheld %v: chosen %q, error %v", withheld, got, err)
			}
		case err != nil || withheld[got] != "":
			t.Errorf("withheld %v: chosen %q, error %v", withheld, got, err)
		}
		publish(nil) // the status reads the view itself
		d.clock.advance(2 * time.Second)
		if err := d.Backend.Fleet.PublishView(t.Context(), platform.FleetView{At: d.clock.now(), Withheld: withheld}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.Settle()
		st, err := d.Status(t.Context())
		if err != nil || len(st.Withheld) != len(withheld) {
			t.Errorf("the status withholds %+v, error %v", st.Withheld, err)
		}
	}
}

// The list of the models goes by the view of the moment, although nobody sends queries.
func TestModelsAreListedByTheView(t *testing.T) {
	d := newTestService(t, nil)
	name := d.Models(t.Context())[0].Name
	for _, withheld := range []map[string]string{{name: "no such operator"}, nil} {
		d.clock.advance(time.Minute)
		if err := d.Backend.Fleet.PublishView(t.Context(), platform.FleetView{At: d.clock.now(), Withheld: withheld}); err != nil {
			t.Fatal(err)
		}
		d.Models(t.Context()) // which may be of the view before
		d.Settle()
		listed := slices.ContainsFunc(d.Models(t.Context()), func(m api.Model) bool { return m.Name == name })
		if listed == (withheld != nil) {
			t.Errorf("withheld %v, listed %v", withheld, listed)
		}
	}
}
