package settings

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test -run TestReference -update .

var update = flag.Bool("update", false, "write docs/settings.md anew")

const reference = "../../../docs/settings.md"

// The reference page is made from the struct, and must be as the struct is.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Settings\n\n`go generate ./shared/core/settings` generates this page from the struct `Settings`.\n\n" +
		"`paragon tune set NAME VALUE` changes a setting. Workers, functions and the controller read the new value within about 10 s, without a deployment. In an account, a stage without workers may take a minute. " +
		"`paragon tune set` refuses a value outside the range of the setting. If such a value is stored in another way, running processes keep the previous value, and processes that start later use the default. " +
		"On one machine, `paragon up --set NAME=VALUE` stores a value before the workers and functions start. " +
		"In an account, `settings` in the context of `cdk.json` sets the values of [a deployment](deploy.md#the-context). " +
		"The pages on [schemes](schemes.md), [selection](selection.md), [models](models.md) and [the path of a query](queries.md) explain the terms in the table.\n\n" +
		"| setting | default | range or allowed values | unit | meaning |\n|---|---|---|---|---|\n")
	for _, f := range Fields() {
		bounds := f.Min + " to " + f.Max
		if len(f.OneOf) > 0 {
			bounds = strings.Join(f.OneOf, ", ")
		}
		if f.Form != "" {
			bounds = f.Form
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.Name, f.Default, bounds, f.Unit, f.Doc)
	}
	if *update {
		if err := os.WriteFile(reference, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("docs/settings.md is stale: run `go generate ./shared/core/settings`\n%s", d)
	}
}

func TestValuesAreReadAgain(t *testing.T) {
	want := Defaults()
	want.Scheme, want.MaxWorkers, want.HourlyBudgetUSD = "paragon", 7, 0.1
	got, err := Parse(want.Values())
	if err != nil || got != want {
		t.Errorf("%+v, error %v\nwant %+v", got, err, want)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct{ name, value, fault string }{
		{"max_workers", "12", ""},
		{"max_workers", "-1", "-1 is outside 0 to 2000 workers"},
		{"tick_seconds", "NaN", "is not a number"},
		{"scheme", "best", "is not one of reactive"},
		{"colour", "green", `setting "colour" does not exist`},
	} {
		err := Check(c.name, c.value)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s=%s: %v, want %q", c.name, c.value, err, c.fault)
		}
	}
}
