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
	whichKeys = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure` or `aws sso login`"
	askFor    = "ask for the policy paragon-<stage>-operator-<region>, which the stack creates for its operators (docs/deploy.md)"
)

// codes are what services call the errors that somebody at the terminal can mend.
var codes = map[string]string{
	"ExpiredToken": signIn, "ExpiredTokenException": signIn, "RequestExpired": signIn,
	"UnrecognizedClientException": signIn, "InvalidClientTokenId": signIn, "IncompleteSignature": signIn,
	"InvalidSignatureException": "the secret key or this machine's clock is wrong: `date -u` prints the time",
	"SignatureDoesNotMatch":     "the secret key or this machine's clock is wrong: `date -u` prints the time",
	"AccessDenied":              askFor, "AccessDeniedException": askFor, "UnauthorizedOperation": askFor,
	"ResourceNotFoundException":               "a part of the stack is missing, because a deployment or a deletion did not end: `make deploy` creates it",
	"AWS.SimpleQueueService.NonExistentQueue": "a part of the stack is missing, because a deployment or a deletion did not end: `make deploy` creates it",
	"QueueDoesNotExist":                       "a part of the stack is missing, because a deployment or a deletion did not end: `make deploy` creates it",
}

// Advice says what to do about an error on the way to a stage; empty when
// nothing is known.
func Advice(err error) string {
	switch {
	case errors.Is(err, ErrNoRegion):
		return "set AWS_REGION to the region that the stage was deployed to"
	case errors.Is(err, ErrNoStage):
		return "check that AWS_REGION and the account are those of the deployment; `make deploy STAGE=<stage>` creates the stage"
	}
	if known := codes[code(err)]; known != "" {
		return known
	}
	if errors.Is(err, ErrNoCredentials) {
		return whichKeys
	}
	return ""
}
