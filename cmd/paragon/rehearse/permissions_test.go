//go:build rehearse

package rehearse

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// roles are the roles in the template, by the caller that takes them on.
var roles = map[string]string{"api": "ApiFunctionRole", "dispatcher": "DispatcherRole", "controller": "ControllerRole", "worker": "PoolGeneralRole"}

// checkPermissions holds every call that was made to the role of its caller.
func (p *play) checkPermissions() {
	p.t.Helper()
	p.stand.mu.Lock()
	defer p.stand.mu.Unlock()
	for who, role := range roles {
		may := p.allowed(role)
		for _, did := range slices.Sorted(maps.Keys(p.stand.calls[who])) {
			if !may[did] {
				p.t.Errorf("the %s calls %s, which its role does not allow", who, did)
			}
		}
		var unused []string
		for _, action := range slices.Sorted(maps.Keys(may)) {
			if !p.stand.calls[who][action] {
				unused = append(unused, action)
			}
		}
		p.t.Logf("%s: calls %v; allowed and not called here: %v", who, slices.Sorted(maps.Keys(p.stand.calls[who])), unused)
	}
}

// allowed are the actions of a role.
func (p *play) allowed(prefix string) map[string]bool {
	out := map[string]bool{}
	for id, r := range p.stack.resources {
		if r.Type != "AWS::IAM::Role" || !strings.HasPrefix(id, prefix) {
			continue
		}
		text, err := json.Marshal(r.Properties["Policies"])
		must(p.t, err)
		var policies []struct {
			PolicyDocument struct {
				Statement []struct{ Action any }
			}
		}
		must(p.t, json.Unmarshal(text, &policies))
		for _, policy := range policies {
			for _, s := range policy.PolicyDocument.Statement {
				for _, a := range list(s.Action) {
					out[a] = true
				}
			}
		}
	}
	return out
}

// list is one text or several.
func list(v any) (out []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, one := range v {
			out = append(out, one.(string))
		}
	}
	return out
}
