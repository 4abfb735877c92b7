//go:build rehearse

package rehearse

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/paragon-serving/paragon/cmd/paragon/rehearse/policy"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
)

// arn is the address of something in the test server's account.
func arn(service, resource string) string {
	return "arn:aws:" + service + ":" + testserver.Region + ":" + testserver.Account + ":" + resource
}

// callsOf are what IAM must allow for a request, each with the resource that it
// is asked about. What is not known here is of no resource, and so not allowed.
func callsOf(service string, r *http.Request, body []byte, groupOf func(instance string) string) []policy.Call {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	form, _ := url.ParseQuery(string(body))
	if action == "" {
		action = form.Get("Action")
	}
	c := policy.Call{Action: service + ":" + action}
	switch service {
	case "s3":
		c = bucketCall(r)
	case "lambda":
		if m := invocation.FindStringSubmatch(r.URL.Path); m != nil {
			c = policy.Call{Action: "lambda:InvokeFunction", Resource: arn("lambda", "function:"+m[1])}
		} else if isAccountSettings(r) {
			c = policy.Call{Action: "lambda:GetAccountSettings", Resource: "*"}
		}
	case "logs":
		if group := field(body, "logGroupName"); group != "" {
			c.Resource = arn("logs", "log-group:"+group+":log-stream:"+field(body, "logStreamName"))
		}
	case "sqs":
		address := field(body, "QueueUrl")
		c = policy.Call{Action: "sqs:" + strings.TrimSuffix(action, "Batch"), Resource: arn("sqs", address[strings.LastIndex(address, "/")+1:])}
	case "ssm":
		c.Resource = arn("ssm", "parameter"+strings.TrimSuffix(cmp.Or(field(body, "Path"), field(body, "Name")), "/"))
	case "dynamodb":
		return tableCalls(action, body)
	case "monitoring":
		c = policy.Call{Action: "cloudwatch:" + action, Resource: "*", Keys: map[string]string{"cloudwatch:namespace": form.Get("Namespace")}}
	case "autoscaling":
		c.Resource = groupARN(form, groupOf)
	case "elasticloadbalancing":
		c.Resource = cmp.Or(form.Get("RuleArn"), "*")
		if action == "CreateRule" {
			c.Resource = form.Get("ListenerArn")
		}
	case "secretsmanager":
		c.Resource = field(body, "SecretId")
	}
	return []policy.Call{c}
}

// field is a text of a JSON body; empty when there is none.
func field(body []byte, name string) string {
	var in map[string]any
	_ = json.Unmarshal(body, &in) // what is no JSON has no field
	text, _ := in[name].(string)
	return text
}

// bucketCall is a request to S3 by path: /bucket/key.
func bucketCall(r *http.Request) policy.Call {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	resource := "arn:aws:s3:::" + bucket
	if key == "" && r.Method == http.MethodGet && r.URL.Query().Get("list-type") == "2" {
		return policy.Call{Action: "s3:ListBucket", Resource: resource, Keys: map[string]string{"s3:prefix": r.URL.Query().Get("prefix")}}
	}
	action := map[string]string{http.MethodGet: "GetObject", http.MethodPut: "PutObject", http.MethodDelete: "DeleteObject"}[r.Method]
	return policy.Call{Action: "s3:" + action, Resource: resource + "/" + key}
}

// listing is what S3 asks of who reads an object that is not there: without it the
// answer is that the object must not be read.
func listing(r *http.Request) policy.Call {
	bucket, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return policy.Call{Action: "s3:ListBucket", Resource: "arn:aws:s3:::" + bucket}
}

// groupARN is the group that a request is about: a description is of no
// resource, and one by an instance is of the instance's group.
func groupARN(form url.Values, groupOf func(instance string) string) string {
	if strings.HasPrefix(form.Get("Action"), "Describe") {
		return "*"
	}
	name := form.Get("AutoScalingGroupName")
	if name == "" {
		name = groupOf(form.Get("InstanceId"))
	}
	return arn("autoscaling", "autoScalingGroup:an-id:autoScalingGroupName/"+name)
}

// tableCalls are the calls within a request to DynamoDB: IAM asks for those of
// a transaction one by one, and for a batch once a table.
func tableCalls(action string, body []byte) (out []policy.Call) {
	type at struct{ TableName, IndexName string }
	var in struct {
		at
		TransactItems []map[string]at
		RequestItems  map[string]any
	}
	_ = json.Unmarshal(body, &in) // a body of no table is of no resource
	add := func(action string, a at) {
		resource := arn("dynamodb", "table/"+a.TableName)
		if a.IndexName != "" {
			resource += "/index/" + a.IndexName
		}
		out = append(out, policy.Call{Action: "dynamodb:" + action, Resource: resource})
	}
	within := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
	for _, item := range in.TransactItems {
		for kind, a := range item {
			add(within[kind], a)
		}
	}
	for table := range in.RequestItems {
		add(action, at{TableName: table})
	}
	if len(out) == 0 {
		add(action, in.at)
	}
	return out
}
