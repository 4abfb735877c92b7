package stagelogs

import "testing"

func TestPartsOfGeneratedNames(t *testing.T) {
	for name, want := range map[string]string{
		"ControllerLogE450B419-xYz":            "controller",
		"ApiFunctionLogBDAD8088-aBc":           "api",
		"WorkerLogEFF9926A-dEf":                "worker",
		"FlowLogs16C1943A-gHi":                 "flow",
		"AccessLogD598EBE9-jKl":                "access",
		"InferenceLogistic512LogDF32842D-mNo":  "inference-logistic512",
		"InferenceCnnSmall1024Log8C6C46CF-pQr": "inference-cnn-small1024",
		"two-ControllerLogE450B419-xYz":        "", // of stage dev-two
		"ControllerLog-xYz":                    "",
		"Something16C1943A-xYz":                "",
		"":                                     "",
	} {
		if part, ok := partOf(name); part != want || ok != (want != "") {
			t.Errorf("%q is %q, %v; want %q", name, part, ok, want)
		}
	}
}
