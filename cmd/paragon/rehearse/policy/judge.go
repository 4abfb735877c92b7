package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Excuse says why a grant is not used by the calls at hand.
type Excuse struct {
	Action   string // with wildcards
	Resource string // with wildcards; empty means every one
	Why      string
}

func (e Excuse) covers(g Grant) bool {
	return Like(e.Action, g.Action) && (e.Resource == "" || Like(e.Resource, g.Resource))
}

// Judge returns what is wrong between what a role may do and what its holder
// did: a call that no statement allows, a grant that no call used and nothing
// excuses, and an excuse of what is not granted.
func Judge(may []Statement, did []Call, excuses []Excuse) (faults []string) {
	used := map[Grant]bool{}
	for _, c := range did {
		by, err := Matching(may, c)
		if err != nil {
			return []string{err.Error()}
		}
		if len(by) == 0 {
			faults = append(faults, strings.TrimSpace(fmt.Sprintf("it calls %s of %q, which its role does not allow %s", c.Action, c.Resource, keysOf(c))))
		}
		for _, g := range by {
			used[g] = true
		}
	}
	var all []Grant
	for _, s := range may {
		all = append(all, s.Grants()...)
	}
	for _, g := range all {
		if !used[g] && !slices.ContainsFunc(excuses, func(e Excuse) bool { return e.covers(g) }) {
			faults = append(faults, fmt.Sprintf("its role allows %s of %q, which nothing calls", g.Action, g.Resource))
		}
	}
	for _, e := range excuses {
		if !slices.ContainsFunc(all, e.covers) {
			faults = append(faults, fmt.Sprintf("the list of grants that may stay unused has %s of %q, which the role does not allow: remove this entry", e.Action, e.Resource))
		}
	}
	return faults
}

// Without returns the statements with one grant on another resource.
func Without(may []Statement, g Grant) (out []Statement) {
	for _, s := range may {
		for _, one := range s.Grants() {
			if one == g {
				one.Resource += "-another"
			}
			out = append(out, Statement{Effect: s.Effect, Action: List{one.Action}, Resource: List{one.Resource}, Condition: s.Condition})
		}
	}
	return out
}

func keysOf(c Call) string {
	if len(c.Keys) == 0 {
		return ""
	}
	return fmt.Sprintf("with %v", c.Keys)
}
