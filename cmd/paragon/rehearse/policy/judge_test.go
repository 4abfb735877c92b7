package policy

import (
	"slices"
	"strings"
	"testing"
)

// Both ways: no call without a grant, and no grant without a call.
func TestJudge(t *testing.T) {
	may := statements(t, `[
		{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": ["arn:q1", "arn:q2"]},
		{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:b", "Condition": {"StringEquals": {"s3:prefix": "p/"}}}]`)
	send := func(queue string) Call { return Call{Action: "sqs:SendMessage", Resource: queue} }
	list := func(prefix string) Call {
		return Call{Action: "s3:ListBucket", Resource: "arn:b", Keys: map[string]string{"s3:prefix": prefix}}
	}
	for _, tc := range []struct {
		name    string
		did     []Call
		excuses []Excuse
		faults  []string // a word of each, in order
	}{
		{"all is called", []Call{send("arn:q1"), send("arn:q2"), list("p/")}, nil, nil},
		{"another queue", []Call{send("arn:q1"), send("arn:q2"), send("arn:q3"), list("p/")}, nil, []string{`of "arn:q3"`}},
		{"another prefix", []Call{send("arn:q1"), send("arn:q2"), list("p/"), list("")}, nil, []string{"with map[s3:prefix:]"}},
		{"a queue that nothing sends to", []Call{send("arn:q1"), list("p/")}, nil, []string{`"arn:q2", which nothing calls`}},
		{"excused", []Call{list("p/")}, []Excuse{{"sqs:SendMessage", "", "rare"}}, nil},
		{"excused in part", []Call{list("p/")}, []Excuse{{"sqs:SendMessage", "*2", "rare"}}, []string{`"arn:q1", which nothing calls`}},
		{"an excuse of nothing", []Call{send("arn:q1"), send("arn:q2"), list("p/")}, []Excuse{{"sqs:Purge", "", ""}}, []string{"sqs:Purge"}},
	} {
		got := Judge(may, tc.did, tc.excuses)
		ok := len(got) == len(tc.faults)
		for i := range tc.faults {
			ok = ok && strings.Contains(got[i], tc.faults[i])
		}
		if !ok {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.faults)
		}
	}
	did := []Call{send("arn:q1"), send("arn:q2"), list("p/")}
	for _, g := range slices.Concat(may[0].Grants(), may[1].Grants()) {
		if len(Judge(Without(may, g), did, nil)) == 0 {
			t.Errorf("without %v all is well", g)
		}
	}
}
