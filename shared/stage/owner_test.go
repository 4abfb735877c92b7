package stage

import "testing"

// Sessions of a role are as many owners, unless the role is shared: then they
// are one, and another role's, or another account's, still are not.
func TestOwnersOfRoles(t *testing.T) {
	for _, tc := range []struct{ caller, want string }{
		{"arn:aws:iam::1:user/ann", "arn:aws:iam::1:user/ann"},
		{"arn:aws:sts::1:assumed-role/people/ann@example.com", "arn:aws:sts::1:assumed-role/people/ann@example.com"},
		{"arn:aws:sts::1:assumed-role/ingest/i-0123", "arn:aws:iam::1:role/ingest"},
		{"arn:aws:sts::1:assumed-role/ingest/botocore-session-17", "arn:aws:iam::1:role/ingest"},
		{"arn:aws-cn:sts::2:assumed-role/ingest/x", "arn:aws-cn:iam::2:role/ingest"},
		{"arn:aws:sts::1:assumed-role/ingest2/x", "arn:aws:sts::1:assumed-role/ingest2/x"},
		{"arn:aws:sts::1:federated-user/ingest", "arn:aws:sts::1:federated-user/ingest"},
		{"arn:aws:iam::1:assumed-role/ingest/x", "arn:aws:iam::1:assumed-role/ingest/x"},
		{"arn:aws:sts::1:assumed-role/ingest", "arn:aws:sts::1:assumed-role/ingest"},
		{"ingest", "ingest"},
		{"", ""},
	} {
		if got := Owner(tc.caller, []string{"batch", "ingest"}); got != tc.want {
			t.Errorf("%q is %q, want %q", tc.caller, got, tc.want)
		}
	}
}
