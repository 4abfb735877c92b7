// Command app is the CDK app that `cdk deploy` runs: one stage, as the context of
// cdk.json and of the command line describe it.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/paragon-serving/paragon/infra"
)

func main() {
	defer jsii.Close()
	flags := infra.FeatureFlags()
	if err := infra.Synth(awscdk.NewApp(&awscdk.AppProps{Context: &flags})); err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		jsii.Close()
		os.Exit(1)
	}
}
