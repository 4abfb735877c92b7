//go:build rehearse

package rehearse

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
)

const stackName = "paragon-dev"

// resource is one resource of a template.
type resource struct {
	Type           string
	Properties     map[string]any
	DependsOn      any
	DeletionPolicy string
	UpdatePolicy   map[string]any
}

// synthesized is what `make synth` wrote.
type synthesized struct {
	dir       string
	template  map[string]any
	resources map[string]resource
	assets    []asset
}

// asset is a file or folder that a deployment uploads.
type asset struct{ path, packaging, bucket, key string }

const aliasType = "AWS::Lambda::Alias"

// unplayed are the resources that the test server cannot make, and why.
var unplayed = map[string]string{
	"AWS::CloudWatch::Dashboard":       "moto cannot resolve the alarms that it shows",
	"AWS::SecretsManager::Secret":      "moto makes secrets, but not by CloudFormation",
	"AWS::Lambda::Version":             "moto has no aliases in CloudFormation: functions are called by their names",
	aliasType:                          "likewise",
	"AWS::Lambda::EventInvokeConfig":   "it is of an alias",
	"AWS::CodeDeploy::Application":     "it turns aliases",
	"AWS::CodeDeploy::DeploymentGroup": "likewise",
}

func readStack(t *testing.T) synthesized {
	t.Helper()
	s := synthesized{dir: os.Getenv("PARAGON_CDK_OUT"), resources: map[string]resource{}}
	if s.dir == "" {
		s.dir = filepath.Join("..", "..", "..", "cdk.out")
	}
	if err := decodeFile(filepath.Join(s.dir, stackName+".template.json"), &s.template); err != nil {
		t.Fatalf("no synthesized stack, run `make synth`: %v", err)
	}
	text, err := json.Marshal(s.template["Resources"])
	must(t, err)
	must(t, json.Unmarshal(text, &s.resources))
	var manifest struct {
		Files map[string]struct {
			Source       struct{ Path, Packaging string }
			Destinations map[string]struct{ BucketName, ObjectKey string }
		}
	}
	must(t, decodeFile(filepath.Join(s.dir, stackName+".assets.json"), &manifest))
	fill := strings.NewReplacer("${AWS::AccountId}", testserver.Account, "${AWS::Region}", testserver.Region)
	for _, f := range manifest.Files {
		for _, d := range f.Destinations {
			s.assets = append(s.assets, asset{filepath.Join(s.dir, f.Source.Path), f.Source.Packaging, fill.Replace(d.BucketName), d.ObjectKey})
		}
	}
	return s
}

func decodeFile(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// bootstrap makes what `cdk bootstrap` makes, as far as the stack asks for it,
// and uploads the assets.
func (s synthesized) publish(t *testing.T, sdk aws.Config) {
	t.Helper()
	_, err := ssm.NewFromConfig(sdk).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String("/cdk-bootstrap/hnb659fds/version"), Value: aws.String("30"), Type: ssmtypes.ParameterTypeString,
	})
	must(t, err)
	objects := s3.NewFromConfig(sdk, func(o *s3.Options) { o.UsePathStyle = true })
	made := map[string]bool{}
	for _, a := range s.assets {
		if !made[a.bucket] {
			_, err := objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &a.bucket})
			must(t, err)
			made[a.bucket] = true
		}
		body, err := a.pack()
		must(t, err)
		_, err = objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &a.bucket, Key: &a.key, Body: bytes.NewReader(body)})
		must(t, err)
	}
}

// pack returns the bytes that are uploaded.
func (a asset) pack() ([]byte, error) {
	if a.packaging != "zip" {
		return os.ReadFile(a.path)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := z.AddFS(os.DirFS(a.path)); err != nil {
		return nil, err
	}
	err := z.Close()
	return b.Bytes(), err
}

// create makes the stack on the test server, less its outputs, its rules and what
// the test server cannot make, and returns what each resource is called. The source of the dispatcher is made disabled: the
// test server has nothing to run, and would burn good messages.
func (s synthesized) create(t *testing.T, url string) map[string]string {
	t.Helper()
	delete(s.template, "Outputs")
	delete(s.template, "Rules")
	secret := s.makeSecret(t, url)
	all := s.template["Resources"].(map[string]any)
	for id, r := range s.resources {
		if unplayed[r.Type] != "" {
			delete(all, id)
		}
		if r.Type == "AWS::Lambda::EventSourceMapping" {
			all[id].(map[string]any)["Properties"].(map[string]any)["Enabled"] = false
		}
	}
	body, err := json.Marshal(s.without(s.template, secret))
	must(t, err)
	callStand(t, url, "cloudformation", form("Action", "CreateStack", "Version", "2010-05-15", "StackName", stackName,
		"TemplateBody", string(body), "Capabilities.member.1", "CAPABILITY_NAMED_IAM"))
	for range 100 {
		said := callStand(t, url, "cloudformation", form("Action", "DescribeStacks", "Version", "2010-05-15", "StackName", stackName))
		switch {
		case strings.Contains(said, "<StackStatus>CREATE_COMPLETE<"):
			made := physical(t, url)
			maps.Copy(made, secret)
			return made
		case strings.Contains(said, "FAILED"), strings.Contains(said, "ROLLBACK"):
			t.Fatalf("the stack was not made: %s", said)
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Fatal("the stack is not made yet")
	return nil
}

// endpoint stands for the gateway's, which the test server does not make.
const endpoint = "https://gateway.example.com"

// without gives a value what the test server's stack does not make: the gateway's
// attributes, and the names of what was made before.
func (s synthesized) without(v any, made map[string]string) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = s.without(v[i], made)
		}
	case map[string]any:
		if of, ok := v["Fn::GetAtt"].([]any); ok {
			switch s.resources[of[0].(string)].Type {
			case "AWS::ApiGatewayV2::Api":
				return endpoint
			case "AWS::Lambda::Version":
				return "1"
			}
		}
		if id, ok := v["Ref"].(string); ok && made[id] != "" {
			return made[id]
		} else if s.resources[id].Type == aliasType {
			function := s.resources[id].Properties["FunctionName"].(map[string]any)["Ref"].(string)
			return map[string]any{"Fn::GetAtt": []any{function, "Arn"}}
		}
		for key := range v {
			v[key] = s.without(v[key], made)
		}
	}
	return v
}

// makeSecret makes the signing key as CloudFormation would, which the test server
// has no part for, and returns its ARN by its logical id.
func (s synthesized) makeSecret(t *testing.T, url string) map[string]string {
	t.Helper()
	for id, r := range s.resources {
		if r.Type != "AWS::SecretsManager::Secret" {
			continue
		}
		how := r.Properties["GenerateSecretString"].(map[string]any)
		var value map[string]any
		must(t, json.Unmarshal([]byte(how["SecretStringTemplate"].(string)), &value))
		const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		key := make([]byte, int(how["PasswordLength"].(float64)))
		for i := range key {
			key[i] = letters[rand.IntN(len(letters))]
		}
		value[how["GenerateStringKey"].(string)] = string(key)
		text, err := json.Marshal(value)
		must(t, err)
		client := secretsmanager.New(secretsmanager.Options{Region: testserver.Region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
		out, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(stackName + "-" + id), SecretString: aws.String(string(text))})
		must(t, err)
		return map[string]string{id: aws.ToString(out.ARN)}
	}
	t.Fatal("the stack has no signing key")
	return nil
}

// physical reads what the resources of the stack are called.
func physical(t *testing.T, url string) map[string]string {
	t.Helper()
	said := callStand(t, url, "cloudformation", form("Action", "DescribeStackResources", "Version", "2010-05-15", "StackName", stackName))
	var in struct {
		Resources []struct{ LogicalResourceId, PhysicalResourceId string } `xml:"DescribeStackResourcesResult>StackResources>member"`
	}
	must(t, xml.Unmarshal([]byte(said), &in))
	out := map[string]string{}
	for _, r := range in.Resources {
		out[r.LogicalResourceId] = r.PhysicalResourceId
	}
	return out
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// callStand makes a call for which the repository has no client.
func callStand(t *testing.T, at, service string, v url.Values) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader(v.Encode()))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=test/20260101/%s/%s/aws4_request, SignedHeaders=host, Signature=0", testserver.Region, service))
	res, err := http.DefaultClient.Do(r)
	must(t, err)
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %s", service, v.Get("Action"), res.Status, said)
	}
	return string(said)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
