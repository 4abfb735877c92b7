package infra

import (
	"fmt"
	"slices"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func secretRules() []rule {
	return []rule{
		{"there is one signing key, generated once, with 48 bytes in base64", func(a assembly) (bad []string) {
			for _, id := range a.t.of("SecretsManager::Secret") {
				s := a.t.Resources[id]
				g := s.prop("GenerateSecretString")
				if s.prop("SecretString") != nil || number(at(g, "PasswordLength")) != 64 || at(g, "ExcludePunctuation") != true || at(g, "IncludeSpace") != false ||
					at(g, "GenerateStringKey") != "current" || at(g, "SecretStringTemplate") != `{"earlier":[]}` {
					bad = append(bad, id)
				}
			}
			if n := len(a.t.of("SecretsManager::Secret")); n != 1 {
				bad = append(bad, fmt.Sprintf("%d secrets", n))
			}
			return bad
		}, func(a assembly) {
			a.t.only("SecretsManager::Secret").prop("GenerateSecretString").(map[string]any)["ExcludePunctuation"] = false
		}},
		{"only the intake and the callbacks function may read the signing key, and no other secret", func(a assembly) (bad []string) {
			for _, id := range a.t.of("IAM::Role") {
				may := false
				for _, s := range a.t.statements(id) {
					if slices.Contains(words(s["Action"]), "secretsmanager:GetSecretValue") {
						may = len(list(s["Resource"])) == 1 && a.t.Resources[refers(at(list(s["Resource"]), 0))] == a.t.only("SecretsManager::Secret")
						if !may {
							bad = append(bad, id+" reads another")
						}
					}
				}
				worker := a.t.Resources[id].prop("AssumeRolePolicyDocument", "Statement", 0, "Principal", "Service") == "ec2.amazonaws.com"
				if want := id == a.roleOf("api") || id == a.roleOf("callbacks") || worker && a.cfg.onWorkers(); may != want {
					bad = append(bad, fmt.Sprintf("%s reads it: %v", id, may))
				}
			}
			return bad
		}, func(a assembly) {
			a.allow(a.roleOf("dispatcher"), "secretsmanager:GetSecretValue", map[string]any{"Ref": a.t.of("SecretsManager::Secret")[0]})
		}},
		{"the api and the callbacks function have the name of the signing key's secret, and no other function has", func(a assembly) []string {
			return a.each(func(_ string, f *resource) bool {
				known := a.t.Resources[refers(variables(f)[names.SigningSecret])] != nil
				return known == (f == a.function("api") || f == a.function("callbacks"))
			})
		}, func(a assembly) { delete(variables(a.function("api")), names.SigningSecret) }},
	}
}
