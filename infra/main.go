// Command infra is the CDK app: one stack a stage, everything that a
// deployment consists of, one file a concern.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

func main() {
	defer jsii.Close()
	if err := synth(awscdk.NewApp(nil)); err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		jsii.Close()
		os.Exit(1)
	}
}

// synth writes the template of the stage that the app's context describes.
func synth(app awscdk.App) error {
	cfg, err := readConfig(contextOf(app))
	if err != nil {
		return err
	}
	if _, err := newStack(app, cfg); err != nil {
		return err
	}
	check(app)
	app.Synth(nil)
	return nil
}

// contextOf reads the context of cdk.json and of the command line.
func contextOf(app awscdk.App) func(string) any {
	return func(key string) any { return app.Node().TryGetContext(jsii.String(key)) }
}
