package aws

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// invoker runs functions of Lambda.
type invoker struct {
	client functionClient
	stage  string
}

// Invoke implements platform.Invoker. What was billed is read from the end of the
// function's log, which comes with the answer.
func (v *invoker) Invoke(ctx context.Context, function string, payload []byte) (platform.Invocation, error) {
	attempt := "invoke function " + function
	out, err := v.client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: aws.String(names.Function(v.stage, function)), Payload: payload, LogType: types.LogTypeTail,
	})
	if ctx.Err() != nil {
		return platform.Invocation{}, fmt.Errorf("%s: %w", attempt, ctx.Err())
	}
	if err != nil {
		return platform.Invocation{}, failed(attempt, err)
	}
	inv := platform.Invocation{Payload: out.Payload}
	inv.BilledMS, inv.InitMS = billed(aws.ToString(out.LogResult))
	if out.FunctionError != nil {
		return inv, fmt.Errorf("%s: %w: %s", attempt, platform.ErrFault, faultOf(out.Payload))
	}
	return inv, nil
}

// faultOf names the error that a function's answer reports, without its
// message, which may quote the input.
func faultOf(payload []byte) string {
	var said struct {
		Type string `json:"errorType"`
	}
	if json.Unmarshal(payload, &said) != nil || said.Type == "" {
		return "unknown error"
	}
	return said.Type
}

var (
	billedDuration = regexp.MustCompile(`\tBilled Duration: ([0-9.]+) ms`)
	initDuration   = regexp.MustCompile(`\tInit Duration: ([0-9.]+) ms`)
)

// billed reads the REPORT line of a function's log; zeros when there is none.
func billed(log string) (billedMS, initMS float64) {
	text, err := base64.StdEncoding.DecodeString(log)
	if err != nil {
		return 0, 0
	}
	read := func(r *regexp.Regexp) float64 {
		if m := r.FindSubmatch(text); m != nil {
			v, _ := strconv.ParseFloat(string(m[1]), 64)
			return v
		}
		return 0
	}
	return read(billedDuration), read(initDuration)
}
