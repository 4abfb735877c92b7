package infra

import (
	"fmt"
	"slices"
	"strings"

	coreinference "github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// rule is one thing that no validator sees and that must hold of a template.
// breaks changes a good template so that this rule, and no other, fails.
type rule struct {
	name   string
	faults func(assembly) []string
	breaks func(assembly)
}

func faultf(format string, args ...any) []string { return []string{fmt.Sprintf(format, args...)} }

// rules lists them, by concern.
func rules() []rule {
	return slices.Concat(
		fleetRules(), warmRules(), throughputRules(), drainRules(), machineRules(), networkRules(), queueRules(), messageRules(),
		functionRules(), packageRules(), permissionRules(), boundRules(), intakeRules(), answerRules(),
		dataRules(), profileRules(), keepRules(), stageParameterRules(), controlRules(), alarmRules(),
		frontRules(), balancerRules(), secretRules(), inputRules(), releaseRules(), nameRules(), endpointRules())
}

// group, launch and queue find what the mutations break.
func (a assembly) group() *resource { return a.t.Resources[a.t.of("AutoScaling::AutoScalingGroup")[0]] }

func (a assembly) launch() map[string]any {
	return a.t.Resources[a.t.of("EC2::LaunchTemplate")[0]].prop("LaunchTemplateData").(map[string]any)
}

func (a assembly) queue(q platform.QueueName) *resource {
	return a.t.named("SQS::Queue", "QueueName", names.Queue(a.cfg.Stage, q))
}

func (a assembly) function(name string) *resource {
	return a.t.named("Lambda::Function", "FunctionName", names.Function(a.cfg.Stage, name))
}

// functionIDs are Paragon's functions.
func (a assembly) inferenceNames() (list []string) {
	for _, m := range a.plan.models {
		for _, mb := range a.plan.sizes {
			if mb >= m.MemoryMB {
				list = append(list, names.Function(a.cfg.Stage, coreinference.FunctionName(m.Name, mb)))
			}
		}
	}
	for _, m := range a.plan.added {
		for _, mb := range a.plan.sizes {
			if mb >= m.MemoryMB {
				list = append(list, names.Function(a.cfg.Stage, coreinference.FunctionName(m.Name, mb)))
			}
		}
	}
	for _, mb := range a.cfg.GenericSizes {
		list = append(list, names.Function(a.cfg.Stage, coreinference.GenericName(mb)))
	}
	slices.Sort(list)
	return list
}

func (a assembly) isInference(r *resource) bool {
	name, _ := r.prop("FunctionName").(string)
	return strings.HasPrefix(name, names.Function(a.cfg.Stage, "inference-")) || a.isGeneric(r)
}

// isGeneric says whether a function runs any added model.
func (a assembly) isGeneric(r *resource) bool {
	name, _ := r.prop("FunctionName").(string)
	return strings.HasPrefix(name, names.Function(a.cfg.Stage, "generic-"))
}

// isAdded says whether a function is of an added model.
func (a assembly) isAdded(r *resource) bool {
	return slices.ContainsFunc(a.plan.added, func(m *profile.Model) bool { return variables(r)[environment.Model] == m.Name })
}

func (a assembly) schedule(name string) *resource {
	return a.t.named("Scheduler::Schedule", "Name", names.Prefix(a.cfg.Stage)+name)
}

// roleOf is the role of a function.
func (a assembly) roleOf(name string) string { return refers(a.function(name).prop("Role")) }

// allow adds a statement to a role.
func (a assembly) allow(role, action string, resource any) {
	p := a.t.Resources[role].prop("Policies", 0, "PolicyDocument").(map[string]any)
	p["Statement"] = append(list(p["Statement"]), map[string]any{"Effect": "Allow", "Action": action, "Resource": resource})
}

// table is one of the tables, by the variable that leads to it.
func (a assembly) table(variable string) *resource {
	return a.t.Resources[refers(variables(a.function("api"))[variable])]
}

// each reports the functions of which something does not hold.
func (a assembly) each(holds func(id string, f *resource) bool) (bad []string) {
	for _, id := range a.t.of("Lambda::Function") {
		if !holds(id, a.t.Resources[id]) {
			bad = append(bad, id)
		}
	}
	return bad
}

// actions lists what a role may do.
func (a assembly) actions(role string) (out []string) {
	for _, s := range a.t.statements(role) {
		out = append(out, words(s["Action"])...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// alarm finds an alarm's id by its name.
func (a assembly) alarm(name string) string {
	for _, id := range a.t.of("CloudWatch::Alarm") {
		if a.t.Resources[id].prop("AlarmName") == names.Prefix(a.cfg.Stage)+name {
			return id
		}
	}
	return ""
}
