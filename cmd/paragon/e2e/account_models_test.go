package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/proof"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
	deployed "github.com/paragon-serving/paragon/shared/stage"
)

const stateTable = "state"

// account is a test server with the stage dev: where it is, and its bucket of models.
func account(t *testing.T) {
	t.Helper()
	testserver.Bucket(t, "models")
	where, err := json.Marshal(names.StageParameter{Endpoint: "https://api", Authorizer: names.ByIAM, Pools: []string{"general"}, StateTable: stateTable, RecordsTable: "r",
		Catalogue: "fashion", Models: "s3://models/" + names.ModelsPrefix})
	if err != nil {
		t.Fatal(err)
	}
	sdk, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	testserver.Table(t, stateTable, names.StateKey, names.StateSort)
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

// addRun adds a file to the stage, whose worker has run it once it is there, and returns
// what the command printed. Until then the model of that name is not offered.
func addRun(t *testing.T, name, onnx string, more ...string) (out string) {
	t.Helper()
	var adding sync.WaitGroup
	var err error
	adding.Go(func() {
		out, err = inAccount(t, append([]string{"model", "add", onnx, "--task", "weather", "--stage", "dev"}, more...)...)
	})
	(&stage{t: t}).until("a model that is added", func() bool {
		_, ok := catalogueOf(t).Model(name)
		return ok
	})
	of := catalogueOf(t)
	m, _ := of.Model(name)
	if _, offered := of.Offered().Model(name); offered {
		t.Errorf("%s is offered before anything has run it", name)
	}
	digest, digestErr := proof.Digest(of, m)
	s, stageErr := discovery.Open(t.Context(), "dev")
	if err := errors.Join(digestErr, stageErr); err != nil {
		t.Fatal(err)
	}
	b, backendErr := s.Backend(t.Context(), time.Now)
	if backendErr != nil {
		t.Fatal(backendErr)
	}
	if err := platform.AddProofs(t.Context(), b.Shared, "linux/amd64", map[string]proof.Result{digest: {Engine: "e", At: time.Now()}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	adding.Wait()
	if err != nil {
		t.Fatalf("add %s: %v: %s", name, err, out)
	}
	return out
}

// A model that is added to a stage in an account is checked, lies in the stage's bucket,
// is chosen from by its functions and run by its workers, and is given up when it is
// removed; what is refused changes nothing. Its name takes versions.
func TestModelsOfAStageInAnAccount(t *testing.T) {
	account(t)
	says := func(says string, fails bool, args ...string) {
		t.Helper()
		out, err := inAccount(t, append(args, "--stage", "dev")...)
		if (err != nil) != fails || !strings.Contains(out, says) {
			t.Fatalf("%v: %v, want %q in: %s", args, err, says, out)
		}
	}
	says("There are no added models", false, "model", "list")
	says("bad.onnx", true, "model", "add", file(t, "bad.onnx", []byte("no model")), "--task", "weather")
	nan := enginetest.Affine(float32(math.NaN()), 0, -1, 4)
	for _, more := range [][]string{nil, {"--test", file(t, "test.csv", []byte("yes,yes\n"))}} {
		out, err := inAccount(t, append([]string{"model", "add", file(t, "nan.onnx", nan), "--task", "weather", "--stage", "dev"}, more...)...)
		if exit, failed := errors.AsType[*exec.ExitError](err); !failed || exit.ExitCode() != 2 || !strings.Contains(out, `nan.onnx: weight "factor" contains NaN`) {
			t.Errorf("%v: %v, said %s", more, err, out)
		}
	}
	says("share", true, "model", "add", file(t, "good.onnx", enginetest.Affine(1, 0, -1, 4)), "--task", "weather", "--share", "2")
	says("There are no added models", false, "model", "list")
	if out := addRun(t, "forest", file(t, "forest.onnx", enginetest.Forest(2, 0.5, labels))); !strings.Contains(out, "/v2/models/weather/infer") {
		t.Errorf("it says %s", out)
	}
	says("forest", false, "model", "list")
	says("FP32", false, "model", "show", "forest")
	if out := addRun(t, "forest@2", file(t, "forest.onnx", enginetest.Forest(2, 0.7, labels)), "--share", "0.5"); !strings.Contains(out, "on trial with 50 %") {
		t.Errorf("of a version it says %s", out)
	}
	says("served by version forest@2", false, "model", "promote", "forest")
	says("served by version forest.", false, "model", "rollback", "forest")
	m, ok := catalogueOf(t).Model("forest")
	if !ok || m.Latency[0].Source.Samples == 0 {
		t.Fatalf("the functions of the stage know %+v", m)
	}
	if out, err := inAccount(t, "model-run", "forest"); err != nil || strings.TrimSpace(out) != `{}` { // no reason
		t.Errorf("a worker cannot run it: %v: %s", err, out)
	}
	if out, err := inAccount(t, "model", "remove", "forest", "--stage", "dev"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if m, _ := catalogueOf(t).Model("forest"); m.RetiredAt == "" {
		t.Error("the functions of the stage go on choosing it")
	}
}
