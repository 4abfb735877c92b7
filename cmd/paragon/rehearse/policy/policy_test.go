package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// role may send to one queue, read below a prefix, list that prefix, and write
// metrics of one namespace.
const role = `[
	{"Effect": "Allow", "Action": ["sqs:SendMessage", "sqs:DeleteMessage"], "Resource": "arn:aws:sqs:r:1:a"},
	{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::b/p/*.json", "arn:aws:s3:::b/one"]},
	{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringEquals": {"s3:prefix": "p/"}}},
	{"Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*", "Condition": {"StringLike": {"cloudwatch:namespace": ["Other", "Para*"]}}}
]`

func statements(t *testing.T, text string) (out []Statement) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestACallIsHeldToActionResourceAndCondition(t *testing.T) {
	for _, tc := range []struct {
		call Call
		ok   bool
	}{
		{Call{Action: "sqs:SendMessage", Resource: "arn:aws:sqs:r:1:a"}, true},
		{Call{Action: "sqs:SendMessage", Resource: "arn:aws:sqs:r:1:ab"}, false},
		{Call{Action: "sqs:SendMessage", Resource: "arn:aws:sqs:r:2:a"}, false},
		{Call{Action: "sqs:ReceiveMessage", Resource: "arn:aws:sqs:r:1:a"}, false},
		{Call{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/p/x/y.json"}, true},
		{Call{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/p/x.onnx"}, false},
		{Call{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/one"}, true},
		{Call{Action: "s3:GetObject", Resource: "arn:aws:s3:::c/one"}, false},
		{Call{Action: "s3:ListBucket", Resource: "arn:aws:s3:::b", Keys: map[string]string{"s3:prefix": "p/"}}, true},
		{Call{Action: "s3:ListBucket", Resource: "arn:aws:s3:::b", Keys: map[string]string{"s3:prefix": ""}}, false},
		{Call{Action: "s3:ListBucket", Resource: "arn:aws:s3:::b"}, false},
		{Call{Action: "cloudwatch:PutMetricData", Resource: "*", Keys: map[string]string{"cloudwatch:namespace": "Paragon"}}, true},
		{Call{Action: "cloudwatch:PutMetricData", Resource: "*", Keys: map[string]string{"cloudwatch:namespace": "AWS"}}, false},
		{Call{Action: "cloudwatch:GetMetricData", Resource: "*"}, false},
		{Call{Action: "sqs:SendMessage", Resource: "*"}, false},
		{Call{}, false},
	} {
		by, err := Matching(statements(t, role), tc.call)
		if err != nil || (len(by) > 0) != tc.ok {
			t.Errorf("%+v: by %v, error %v", tc.call, by, err)
		}
	}
}

func TestWhatIsNotUnderstoodIsAnError(t *testing.T) {
	for _, text := range []string{
		`[{"Effect": "Deny", "Action": "a", "Resource": "*"}]`,
		`[{"Effect": "Allow", "Action": "a", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]`,
	} {
		if _, err := Matching(statements(t, text), Call{Action: "a", Resource: "*"}); err == nil {
			t.Errorf("%s is understood", text)
		}
	}
}

func TestLike(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true}, {"a*c", "a/b:c", true}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"a.c", "abc", false}, {"a", "ab", false}, {"a*", "ba", false},
	} {
		if Like(tc.pattern, tc.text) != tc.want {
			t.Errorf("%q and %q: not %v", tc.pattern, tc.text, tc.want)
		}
	}
}

func TestFunctionsOfATemplateBecomeTexts(t *testing.T) {
	names := func(id, attribute string) (string, error) {
		if id == "None" {
			return "", fmt.Errorf("there is no %s", id)
		}
		return strings.TrimSuffix(id+"."+attribute, "."), nil
	}
	for text, want := range map[string]string{
		`{"Ref": "Q"}`:                      `"Q"`,
		`{"Fn::GetAtt": ["Q", "Arn"]}`:      `"Q.Arn"`,
		`{"Fn::Sub": "a-${AWS::Region}-b"}`: `"a-AWS::Region-b"`,
		`{"Fn::Join": ["/", ["a", {"Ref": "Q"}, {"Fn::Join": ["", ["b", "c"]]}]]}`: `"a/Q/bc"`,
		`[{"Action": ["x"], "Resource": [{"Ref": "Q"}]}]`:                          `[{"Action":["x"],"Resource":["Q"]}]`,
		`{"Fn::Select": [1, {"Fn::Split": ["-", {"Fn::Sub": "a-${Q}"}]}]}`:         `"Q"`,
		`{"Fn::Select": [2, {"Fn::Split": ["-", "a-b"]}]}`:                         ``,
		`{"Fn::Select": [0, {"Fn::Split": ["-", {"Ref": "None"}]}]}`:               ``,
		`{"Fn::If": ["a", "b", "c"]}`:                                              ``,
		`[{"Ref": "None"}]`:                                                        ``,
		`{"Fn::Sub": "${None}"}`:                                                   ``,
		`{"a": {"Fn::Join": ["", [{"Ref": "None"}]]}}`:                             ``,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		v, err := Resolve(v, names)
		got, _ := json.Marshal(v)
		if want == "" && err == nil || want != "" && (err != nil || string(got) != want) {
			t.Errorf("%s: %s, error %v", text, got, err)
		}
	}
}
