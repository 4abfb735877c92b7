// Command infra is the CDK app: one stack a stage, everything that a
// deployment consists of.
package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	_ "github.com/aws/aws-cdk-go/awscdk/v2/awsautoscaling"
	_ "github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	_ "github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	_ "github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2authorizers"
	_ "github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2integrations"
	_ "github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	_ "github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	_ "github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	_ "github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	_ "github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	_ "github.com/aws/aws-cdk-go/awscdk/v2/awsbudgets"
	"github.com/aws/jsii-runtime-go"
	_ "github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

func main() {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	app.Synth(nil)
}
