package infra

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/s3url"
)

func profileRules() []rule {
	return []rule{
		{"what needs the profiles is given where they are, and all are given the same", func(a assembly) (bad []string) {
			bad = a.each(func(_ string, f *resource) bool {
				where, _ := variables(f)[environment.Profiles].(string)
				return f == a.function("authorizer") || where == a.cfg.ProfilesPrefix
			})
			for _, id := range a.t.of("EC2::LaunchTemplate") {
				script := flat(a.t.Resources[id].prop("LaunchTemplateData", "UserData"))
				if given := strings.Contains(script, "\n"+environment.Profiles+"="+a.cfg.ProfilesPrefix+"\n"); given != (a.cfg.ProfilesPrefix != "") {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { variables(a.function("api"))[environment.Profiles] = "s3://others/prod" }},
		{"who chooses, decides or runs on machines is given where added models are, and inference functions are not", func(a assembly) (bad []string) {
			want := "s3://${" + a.modelsID() + "}/models"
			bad = a.each(func(_ string, f *resource) bool {
				given := flat(variables(f)[environment.Models])
				if a.isInference(f) || f == a.function("authorizer") {
					return variables(f)[environment.Models] == nil
				}
				return given == want
			})
			for _, id := range a.t.of("EC2::LaunchTemplate") {
				if script := flat(a.t.Resources[id].prop("LaunchTemplateData", "UserData")); !strings.Contains(script, "\n"+environment.Models+"="+want+"\n") {
					bad = append(bad, id)
				}
			}
			return bad
		}, func(a assembly) { variables(a.function("controller"))[environment.Models] = "s3://others/models" }},
		{"buckets are read below uploads and inputs, below the profiles, and for the worker's package alone", bucketFaults, func(a assembly) {
			a.allow(a.roleOf("api"), "s3:ListBucket", "arn:aws:s3:::elsewhere")
		}},
	}
}

// bucketFaults looks at every permission for a bucket. A listing is held to the
// prefix by its condition, a reading by its resource: figures alone for the caller who
// runs no network.
func bucketFaults(a assembly) (bad []string) {
	bucket, below, _ := s3url.Split(a.cfg.ProfilesPrefix)
	arn := "arn:${AWS::Partition}:s3:::" + bucket
	for _, id := range a.t.of("IAM::Role") {
		readers := 0
		for _, s := range a.t.statements(id) {
			for _, action := range words(s["Action"]) {
				for _, r := range list(s["Resource"]) {
					of, reads := flat(r), ""
					if below != "" {
						reads = arn + "/" + below + a.readsOf(id)
					}
					switch {
					case !strings.HasPrefix(action, "s3:"):
					case action == "s3:ListBucket" && of == arn && at(s, "Condition", "StringEquals", "s3:prefix") == below && below != "":
					case action == "s3:GetObject" && of == reads:
						readers++
					case slices.Contains([]string{"s3:GetObject", "s3:PutObject"}, action) && strings.HasPrefix(of, "${Uploads") &&
						(strings.HasSuffix(of, "}/"+names.UploadPrefix+"*") || strings.HasSuffix(of, "}/"+names.InputPrefix+"*")):
					case action == "s3:GetObject" && strings.Contains(of, "cdk-") && strings.HasSuffix(of, ".zip"):
					case action == "s3:ListBucket" && of == "${"+a.modelsID()+"}" && a.readsModels(id) != "":
					case action == "s3:GetObject" && of == "${"+a.modelsID()+"}/models/"+a.readsModels(id):
					default:
						bad = append(bad, fmt.Sprintf("%s: %s of %s", id, action, of))
					}
				}
			}
		}
		if wanted := a.readsOf(id) != "" && below != ""; (readers == 1) != wanted {
			bad = append(bad, fmt.Sprintf("%s may read the profiles %d times", id, readers))
		}
	}
	return bad
}

// readsOf is what a role reads of the profiles; empty for nothing.
func (a assembly) readsOf(role string) string {
	for _, id := range a.t.of("Lambda::Function") {
		f := a.t.Resources[id]
		switch {
		case refers(f.prop("Role")) != role, f == a.function("authorizer"):
		case a.isInference(f):
			return everything
		default:
			return figuresOnly
		}
	}
	if trust := a.t.Resources[role].prop("AssumeRolePolicyDocument", "Statement", 0, "Principal", "Service"); trust == "ec2.amazonaws.com" {
		return everything
	}
	return ""
}

// readsModels is what a role reads of the models that operators add: workers run them,
// those who choose see their figures, and inference functions have models of their own.
func (a assembly) readsModels(role string) string {
	if f := a.readsOf(role); f != figuresOnly {
		if a.runs(role) {
			return ""
		}
		return f
	}
	return modelstore.CatalogueFile
}

// runs says whether a role is an inference function's.
func (a assembly) runs(role string) bool {
	return slices.ContainsFunc(a.t.of("Lambda::Function"), func(id string) bool {
		f := a.t.Resources[id]
		return a.isInference(f) && refers(f.prop("Role")) == role
	})
}

// Without its condition, or with another prefix, a permission is a fault.
func TestProfilesAreBounded(t *testing.T) {
	a := synthesize(t, fakeDist(t), map[string]any{"profiles_prefix": "s3://my-profiles/prod", "profiles": "../profiles"})
	hold(t, a)
	for name, change := range map[string]func(s map[string]any){
		"no condition": func(s map[string]any) { delete(s, "Condition") },
		"another prefix": func(s map[string]any) {
			if at(s, "Condition", "StringEquals", "s3:prefix") != nil {
				s["Condition"] = map[string]any{"StringEquals": map[string]any{"s3:prefix": ""}}
			}
		},
		"all of the bucket": func(s map[string]any) {
			if slices.Contains(words(s["Action"]), "s3:GetObject") {
				s["Resource"] = "arn:aws:s3:::my-profiles/*"
			}
		},
	} {
		broken := a.copy(t)
		for _, s := range broken.t.statements(broken.roleOf("api")) {
			if slices.ContainsFunc(words(s["Action"]), func(action string) bool { return strings.HasPrefix(action, "s3:") }) {
				change(s)
			}
		}
		if len(bucketFaults(broken)) == 0 {
			t.Errorf("%s passes", name)
		}
	}
	env := maps.Clone(variables(a.function("controller")))
	if env[environment.Profiles] != "s3://my-profiles/prod" {
		t.Errorf("the controller is given %v", env[environment.Profiles])
	}
}
