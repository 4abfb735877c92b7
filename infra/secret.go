package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// keyCharacters is the length of the signing key. It is of letters and digits,
// so that, being a multiple of four long, it is base64 of 48 bytes.
const keyCharacters = 64

// makeSecret makes the key that signs the stage's ids, once: a deployment that
// changed this resource's GenerateSecretString would make another.
func (s *stack) makeSecret() awssecretsmanager.CfnSecret {
	secret := awssecretsmanager.NewCfnSecret(s.Stack, text("SigningKey"), &awssecretsmanager.CfnSecretProps{
		Description: text("signs the ids and receipts of Paragon " + s.Config.Stage),
		GenerateSecretString: &awssecretsmanager.CfnSecret_GenerateSecretStringProperty{
			SecretStringTemplate: text(`{"earlier":[]}`), GenerateStringKey: text("current"),
			PasswordLength: jsii.Number(keyCharacters), ExcludePunctuation: jsii.Bool(true), IncludeSpace: jsii.Bool(false),
		},
	})
	secret.ApplyRemovalPolicy(s.kept(), &awscdk.RemovalPolicyOptions{ApplyToUpdateReplacePolicy: jsii.Bool(true)})
	cdknag.NagSuppressions_AddResourceSuppressions(secret, &[]*cdknag.NagPackSuppression{excuseAll("AwsSolutions-SMG4",
		"an operator rotates the key by hand, and keeps the earlier key in the secret while ids signed with it are valid")}, nil)
	return secret
}

// addKey adds where the signing key is.
func (s *stack) addKey(env map[string]*string) map[string]*string {
	env[names.SigningSecret] = s.secret.Ref()
	return env
}

// readKey lets the signing key be read.
func (s *stack) readKey() permission {
	return allow(on(s.secret.Ref()), "secretsmanager:GetSecretValue")
}
