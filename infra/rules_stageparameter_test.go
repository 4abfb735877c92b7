package infra

import (
	"encoding/json"
	"slices"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// stageParameter is the parameter by which a stage is found.
func (a assembly) stageParameter() *resource {
	return a.t.named("SSM::Parameter", "Name", names.StageParameterPath(a.cfg.Stage))
}

func stageParameterRules() []rule {
	return []rule{
		{"the stage's parameter describes its resources", func(a assembly) []string {
			var d names.StageParameter
			if err := json.Unmarshal([]byte(flat(a.stageParameter().prop("Value"))), &d); err != nil {
				return faultf("%v", err)
			}
			env := variables(a.function("api"))
			want := names.StageParameter{Endpoint: d.Endpoint, Authorizer: a.cfg.Authorizer, Pools: keys(a.cfg.Pools),
				StateTable: flat(env[names.StateTable]), RecordsTable: flat(env[names.RecordsTable]), Bucket: flat(env[names.Bucket]), QueueURLPrefix: flat(env[names.QueueURLPrefix])}
			for _, name := range want.Pools {
				p := a.cfg.Pools[name]
				want.Groups = append(want.Groups, names.PoolGroup{InstanceType: p.InstanceTypes[0], Max: p.Max, Warm: p.Warm})
			}
			if !slices.Equal(d.Pools, want.Pools) || !slices.Equal(d.Groups, want.Groups) || d.Authorizer != want.Authorizer || d.StateTable != want.StateTable || d.RecordsTable != want.RecordsTable ||
				!slices.Equal(d.FunctionMB, a.plan.sizes) || d.Models != flat(env[environment.Models]) || d.Catalogue != a.cfg.Catalogue || d.Profiles != a.cfg.ProfilesPrefix || d.Bucket != want.Bucket || d.QueueURLPrefix != want.QueueURLPrefix || d.Endpoint == "" {
				return faultf("the stage's parameter has %+v, and the api function %+v", d, want)
			}
			return nil
		}, func(a assembly) {
			empty, err := json.Marshal(names.StageParameter{Settings: a.deployed()})
			if err != nil {
				panic(err) // a struct of words
			}
			a.stageParameter().Properties["Value"] = string(empty)
		}},
		{"the operators' policy is attached to nobody", func(a assembly) (bad []string) {
			for _, id := range a.t.of("IAM::ManagedPolicy") {
				p := a.t.Resources[id]
				if flat(p.prop("ManagedPolicyName")) != names.Operator(a.cfg.Stage, "${AWS::Region}") || p.prop("Roles") != nil || p.prop("Users") != nil || p.prop("Groups") != nil {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) {
			a.t.Resources[a.t.of("IAM::ManagedPolicy")[0]].Properties["Roles"] = []any{map[string]any{"Ref": a.roleOf("api")}}
		}},
		{"the operators' policy allows calls of the API exactly with authorizer=iam", func(a assembly) []string {
			may := slices.Contains(a.actions(a.t.of("IAM::ManagedPolicy")[0]), "execute-api:Invoke")
			if may != (a.cfg.Authorizer == byIAM) {
				return faultf("it may call: %v", may)
			}
			return nil
		}, func(a assembly) {
			p := a.t.Resources[a.t.of("IAM::ManagedPolicy")[0]].prop("PolicyDocument").(map[string]any)
			p["Statement"] = slices.DeleteFunc(list(p["Statement"]), func(s any) bool { return at(s, "Action") == "execute-api:Invoke" })
			if a.cfg.Authorizer == byKeys {
				p["Statement"] = append(list(p["Statement"]), map[string]any{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:::x"})
			}
		}},
	}
}
