package settings

import (
	"strings"
	"testing"
)

func TestEveryFieldIsDescribedAndKeepsItsRange(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Fields() {
		if f.Name == "" || f.Default == "" || (f.Unit == "" && len(f.OneOf) == 0 && f.Form == "") || len(f.Doc) < 20 {
			t.Errorf("setting %+v is not described", f)
		}
		if seen[f.Name] {
			t.Errorf("setting %s is named twice", f.Name)
		}
		seen[f.Name] = true
		if len(f.OneOf) == 0 && f.Form == "" && bound(f.Min) > bound(f.Max) {
			t.Errorf("setting %s: %s above %s", f.Name, f.Min, f.Max)
		}
		if _, err := Parse(map[string]string{f.Name: f.Default}); err != nil {
			t.Errorf("default: %v", err)
		}
	}
}

func TestBadValuesNameTheSettingAndItsRange(t *testing.T) {
	for _, bad := range []string{"-1", "NaN", "nan", "Inf", "-Inf", "1e99", "", "ten", "0x", "1;2", strings.Repeat("9", 400)} {
		s, err := Parse(map[string]string{"max_attempts": bad})
		if err == nil || !strings.Contains(err.Error(), "max_attempts") || !strings.Contains(err.Error(), "1 to 10") {
			t.Errorf("%q: error %v", bad, err)
		}
		if s != Defaults() {
			t.Errorf("%q took effect", bad)
		}
	}
}

func TestABadValueLeavesTheLastGoodOneAndItsNeighbours(t *testing.T) {
	last, err := Parse(map[string]string{"max_attempts": "5"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Update(last, map[string]string{"max_attempts": "99", "lease_seconds": "7.5"})
	if err == nil || got.MaxAttempts != 5 || got.LeaseSeconds != 7.5 {
		t.Errorf("attempts %d, lease %v, error %v", got.MaxAttempts, got.LeaseSeconds, err)
	}
}

func TestAValueTakenBackFallsToItsDefault(t *testing.T) {
	last, err := Parse(map[string]string{"max_attempts": "5"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Update(last, nil); err != nil || got != Defaults() {
		t.Errorf("got %+v, error %v", got, err)
	}
}

func TestAWordIsOneOfAFew(t *testing.T) {
	s, err := Parse(map[string]string{"scheme": "paragon"})
	if err != nil || s.Scheme != "paragon" {
		t.Errorf("scheme %q, error %v", s.Scheme, err)
	}
	s, err = Parse(map[string]string{"scheme": "magic"})
	if err == nil || !strings.Contains(err.Error(), "scheme") || !strings.Contains(err.Error(), "hedged") || s.Scheme != "hedged" {
		t.Errorf("scheme %q, error %v", s.Scheme, err)
	}
}

func TestUnknownSettingIsAnError(t *testing.T) {
	if _, err := Parse(map[string]string{"max_attemps": "3"}); err == nil || !strings.Contains(err.Error(), "max_attemps") {
		t.Errorf("error %v", err)
	}
}

func TestEveryFaultIsReported(t *testing.T) {
	_, err := Parse(map[string]string{"max_attempts": "0", "lease_seconds": "0"})
	if err == nil || !strings.Contains(err.Error(), "max_attempts") || !strings.Contains(err.Error(), "lease_seconds") {
		t.Errorf("error %v", err)
	}
}

func FuzzParseNeverLeavesTheRange(f *testing.F) {
	for _, seed := range []string{"1", "-1", "NaN", "1e308", " 3 ", "+5", "0.0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, _ := Parse(map[string]string{"max_attempts": text, "lease_seconds": text})
		if s.MaxAttempts < 1 || s.MaxAttempts > 10 || !(s.LeaseSeconds >= 1 && s.LeaseSeconds <= 600) {
			t.Fatalf("%q gave %d and %v", text, s.MaxAttempts, s.LeaseSeconds)
		}
	})
}

// A value that an earlier version knew and this one does not is a fault that
// names what there is, and the last good value stays.
func TestAWordThatIsNoMoreHoldsTheLastGoodOne(t *testing.T) {
	last := Defaults()
	last.Forecaster = "ewma"
	next, err := Update(last, map[string]string{"forecaster": "seasonal"})
	if err == nil || !strings.Contains(err.Error(), "forecaster") || !strings.Contains(err.Error(), "short_average") || next.Forecaster != "ewma" {
		t.Errorf("forecaster %s, error %v", next.Forecaster, err)
	}
}

func TestAListOfHostsIsHosts(t *testing.T) {
	s, err := Parse(map[string]string{"callback_hosts": "hooks.example.com, *.example.org:8443"})
	if err != nil || !s.Callbacks().Allow("a.example.org", "8443") {
		t.Errorf("%v, %v", s.CallbackHosts, err)
	}
	for _, bad := range []string{"", "https://a.com", "a.com:0"} {
		if s, err := Parse(map[string]string{"callback_hosts": bad}); err == nil || !strings.Contains(err.Error(), "callback_hosts") || len(s.Callbacks()) != 0 {
			t.Errorf("%q: %v, %v", bad, s.CallbackHosts, err)
		}
	}
}
