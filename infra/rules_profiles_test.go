package infra

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/s3url"
)

func profileRules() []rule {
	return []rule{
		{"everything that needs the profiles has their location, the same everywhere", func(a assembly) (bad []string) {
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
		{"only what selects or runs added models has the location of their bucket", func(a assembly) (bad []string) {
			want := "s3://${" + a.modelsID() + "}/models"
			bad = a.each(func(_ string, f *resource) bool {
				given := flat(variables(f)[environment.Models])
				if a.isInference(f) && !a.isGeneric(f) && !a.isAdded(f) || f == a.function("authorizer") {
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
		{"roles may read only uploads, inputs, profiles, added models and the worker's package in buckets", bucketFaults, func(a assembly) {
			a.allow(a.roleOf("api"), "s3:ListBucket", "arn:aws:s3:::elsewhere")
		}},
	}
}

// bucketFaults looks at every permission for a bucket. A listing is limited to the
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
					case action == "s3:ListBucket" && of == "${"+a.modelsID()+"}" && len(a.readsModels(id)) > 0 && !a.runsAlone(id):
					case action == "s3:GetObject" && slices.ContainsFunc(a.readsModels(id), func(what string) bool { return of == "${"+a.modelsID()+"}/models/"+what }):
					case action == "s3:PutObject" && of == "${"+a.modelsID()+"}/models/"+modelstore.CatalogueFile && id == a.roleOf("controller"): // rolls versions back
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
		case refers(f.prop("Role")) != role, f == a.function("authorizer"), f == a.function("callbacks"):
		case a.isGeneric(f), a.isAdded(f):
			return figuresOnly
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

// readsModels is what a role reads of the models that operators add: workers and generic
// functions run them, those who choose see their figures, the functions of one see those
// and its file, and those of other models nothing.
func (a assembly) readsModels(role string) []string {
	f := a.holder(role)
	switch {
	case f == nil: // a worker's
		return []string{a.readsOf(role)}
	case a.isGeneric(f):
		return []string{everything}
	case a.isAdded(f):
		return []string{modelstore.CatalogueFile, a.fileOf(f)}
	case a.isInference(f) || a.readsOf(role) == "":
		return nil
	}
	return []string{modelstore.CatalogueFile}
}

// runsAlone says whether a role is an inference function's.
func (a assembly) runsAlone(role string) bool {
	f := a.holder(role)
	return f != nil && a.isInference(f)
}

// fileOf is the file of the added model that a function runs.
func (a assembly) fileOf(f *resource) string {
	i := slices.IndexFunc(a.plan.added, func(m *profile.Model) bool { return m.Name == variables(f)[environment.Model] })
	return a.plan.added[i].File
}

// holder is the function that takes a role on; nil when none does.
func (a assembly) holder(role string) *resource {
	for _, id := range a.t.of("Lambda::Function") {
		if f := a.t.Resources[id]; refers(f.prop("Role")) == role {
			return f
		}
	}
	return nil
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
		t.Errorf("the controller has %v", env[environment.Profiles])
	}
}
