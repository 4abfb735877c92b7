package e2e_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
	deployed "github.com/paragon-serving/paragon/shared/stage"
)

// account is a stand-in with the stage dev: where it is, and its bucket of models.
func account(t *testing.T) {
	t.Helper()
	testserver.Bucket(t, "models")
	where, err := json.Marshal(names.StageParameter{Endpoint: "https://api", Authorizer: names.ByIAM, Pools: []string{"general"}, RecordsTable: "r",
		Catalogue: "fashion", Models: "s3://models/" + names.ModelsPrefix})
	if err != nil {
		t.Fatal(err)
	}
	sdk, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ssm.NewFromConfig(sdk).PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String(names.StageParameterPath("dev")), Value: aws.String(string(where)), Type: "String"}); err != nil {
		t.Fatal(err)
	}
}

// inAccount runs a command with the variables of the test, and returns what it printed.
func inAccount(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	c := exec.Command(built(t, "paragon"), args...)
	c.Env = append(os.Environ(), environment.Models+"=s3://models/"+names.ModelsPrefix)
	var all bytes.Buffer
	c.Stdout, c.Stderr = &all, &all
	err = c.Run()
	return all.String(), err
}

// catalogueOf is the one that the functions of the stage read.
func catalogueOf(t *testing.T) *profile.Catalogue {
	t.Helper()
	env := map[string]string{environment.Models: "s3://models/" + names.ModelsPrefix}
	c, err := deployed.Catalogue(t.Context(), func(name string) string { return env[name] }, profiles.Load)
	if err != nil {
		t.Fatal(err)
	}
	return c.Current()
}

// A model that is added to a stage in an account is checked, lies in the stage's bucket,
// is chosen from by its functions and run by its workers, and is given up when it is
// removed; what is refused changes nothing.
func TestModelsOfAStageInAnAccount(t *testing.T) {
	account(t)
	forest := file(t, "forest.onnx", enginetest.Forest(2, 0.5, labels))
	for _, step := range []struct {
		args  []string
		says  string
		fails bool
	}{
		{[]string{"model", "list"}, "no model was added", false},
		{[]string{"model", "add", file(t, "bad.onnx", []byte("no model")), "--task", "weather"}, "bad.onnx", true},
		{[]string{"model", "add", forest, "--task", "weather", "--share", "0.5"}, "--share", true},
		{[]string{"model", "list"}, "no model was added", false},
		{[]string{"model", "add", forest, "--task", "weather"}, "/v2/models/weather/infer", false},
		{[]string{"model", "list"}, "forest", false},
		{[]string{"model", "show", "forest"}, "FP32", false},
		{[]string{"model", "add", file(t, "forest.onnx", enginetest.Forest(2, 0.7, labels)), "--task", "weather"}, "model remove", true},
	} {
		out, err := inAccount(t, append(step.args, "--stage", "dev")...)
		if (err != nil) != step.fails || !strings.Contains(out, step.says) {
			t.Fatalf("%v: %v, want %q in: %s", step.args, err, step.says, out)
		}
	}
	m, ok := catalogueOf(t).Model("forest")
	if !ok || m.Latency[0].Source.Samples == 0 {
		t.Fatalf("the functions of the stage know %+v", m)
	}
	if out, err := inAccount(t, "model-run", "forest"); err != nil || strings.TrimSpace(out) != `""` { // no reason
		t.Errorf("a worker cannot run it: %v: %s", err, out)
	}
	if out, err := inAccount(t, "model", "remove", "forest", "--stage", "dev"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if m, _ := catalogueOf(t).Model("forest"); m.RetiredAt == "" {
		t.Error("the functions of the stage go on choosing it")
	}
}
