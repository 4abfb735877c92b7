package infra

import (
	_ "embed"
	"encoding/json"

	"github.com/aws/constructs-go/constructs/v10"
)

// flags are the CDK's feature flags, all that there were when the stack was written.
//
//go:embed flags.json
var flags []byte

// FeatureFlags is the context by which the CDK's features are chosen, for awscdk.NewApp.
// A stage sets it for itself, so that its template does not depend on the app that it
// is made in.
func FeatureFlags() map[string]any {
	var values map[string]any
	if err := json.Unmarshal(flags, &values); err != nil {
		panic(err) // it is a part of the binary, and a test reads it
	}
	return values
}

// setFlags makes the feature flags hold below a construct that is empty yet.
func setFlags(c constructs.Construct) {
	values := FeatureFlags()
	for _, name := range sorted(values) {
		c.Node().SetContext(text(name), values[name])
	}
}
