package discovery

import (
	"errors"

	"github.com/aws/smithy-go"
)

// code is what a service calls its error; empty when it is none of a service.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

const (
	signIn    = "sign in again: `aws sso login`, or new keys; `aws sts get-caller-identity` prints who you are"
	whichKeys = "give some: AWS_PROFILE, AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, `aws configure`, or `aws sso login`"
	askFor    = "ask for the policy paragon-<stage>-operator-<region>, which the stack makes for those who run it (docs/deploy.md)"
)

// codes are what services call the errors that somebody at the terminal can mend.
var codes = map[string]string{
	"ExpiredToken": signIn, "ExpiredTokenException": signIn, "RequestExpired": signIn,
	"UnrecognizedClientException": signIn, "InvalidClientTokenId": signIn, "IncompleteSignature": signIn,
	"InvalidSignatureException": "the secret key is wrong, or this machine's clock is: `date -u` prints it",
	"SignatureDoesNotMatch":     "the secret key is wrong, or this machine's clock is: `date -u` prints it",
	"AccessDenied":              askFor, "AccessDeniedException": askFor, "UnauthorizedOperation": askFor,
	"ResourceNotFoundException":               "the stack is not whole, or half destroyed: `make deploy` makes it whole",
	"AWS.SimpleQueueService.NonExistentQueue": "the stack is not whole, or half destroyed: `make deploy` makes it whole",
	"QueueDoesNotExist":                       "the stack is not whole, or half destroyed: `make deploy` makes it whole",
}

// Advice says what to do about an error on the way to a stage; empty when
// nothing is known.
func Advice(err error) string {
	switch {
	case errors.Is(err, ErrNoRegion):
		return "set AWS_REGION to the region that the stage was deployed to"
	case errors.Is(err, ErrNoStage):
		return "is AWS_REGION the one that it was deployed to, and is the account the right one? `make deploy STAGE=<stage>` makes it"
	}
	if known := codes[code(err)]; known != "" {
		return known
	}
	if errors.Is(err, ErrNoCredentials) {
		return whichKeys
	}
	return ""
}
