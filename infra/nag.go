package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// check holds the app to the AwsSolutions rules: a finding ends the synth.
func check(app awscdk.App) {
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(nil), nil)
}

// excuseAll leaves a rule be that names no finding.
func excuseAll(rule, why string) *cdknag.NagPackSuppression {
	return &cdknag.NagPackSuppression{Id: jsii.String(rule), Reason: jsii.String(why)}
}

// excuse leaves one finding of a rule be, and says why.
func excuse(rule, why, finding string) *cdknag.NagPackSuppression {
	return &cdknag.NagPackSuppression{Id: jsii.String(rule), Reason: jsii.String(why), AppliesTo: &[]any{finding}}
}
