package stage

import (
	"slices"
	"strings"
)

// Owner is whose queries a caller's are: the caller's own, by ARN or by the name
// of its key, and for a session of a shared role the role's:
// arn:aws:sts::1:assumed-role/name/session is arn:aws:iam::1:role/name.
//
// Who took a role on is distinguished from others who did by the session's name,
// which a sign-in service sets to the person's. Where that name is made up anew
// each time, as by instances and by most programs, the roles that are shared
// make their holders one owner.
func Owner(caller string, shared []string) string {
	parts := strings.SplitN(caller, ":", 6)
	if len(parts) != 6 || parts[2] != "sts" {
		return caller
	}
	session := strings.Split(parts[5], "/")
	if len(session) != 3 || session[0] != "assumed-role" || !slices.Contains(shared, session[1]) {
		return caller
	}
	parts[2], parts[5] = "iam", "role/"+session[1]
	return strings.Join(parts, ":")
}
