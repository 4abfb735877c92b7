package main

import (
	"net/http/httptest"
	"testing"

	"github.com/paragon-serving/paragon/shared/platform"
)

// A worker believes the process that is before it, once, and knows shared roles as the
// api function does: a query is its owner's on either.
func TestWhoCallsAWorker(t *testing.T) {
	for _, tc := range []struct {
		header []string
		want   string
	}{
		{nil, ""},
		{[]string{"anna"}, "anna"},
		{[]string{"anna", "bob"}, ""},
		{[]string{"arn:aws:sts::1:assumed-role/ingest/i-1"}, "arn:aws:iam::1:role/ingest"},
		{[]string{"arn:aws:sts::1:assumed-role/people/ann"}, "arn:aws:sts::1:assumed-role/people/ann"},
	} {
		r := httptest.NewRequest("GET", "/v1/queries", nil)
		r.Header[platform.OwnerHeader] = tc.header
		if got := owners([]string{"ingest"})(r); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.header, got, tc.want)
		}
	}
}
