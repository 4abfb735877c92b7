package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/paragon-serving/paragon/shared/platform"
)

// classes of the errors that services name. What is missing here is judged by
// the SDK's own lists and by its status.
var classes = map[string]error{
	"ResourceNotFoundException": platform.ErrNotFound,
	"NoSuchKey":                 platform.ErrNotFound,
	"NotFound":                  platform.ErrNotFound,
	"ParameterNotFound":         platform.ErrNotFound,
	"AWS.SimpleQueueService.NonExistentQueue":    platform.ErrNotFound,
	"QueueDoesNotExist":                          platform.ErrNotFound,
	"ReceiptHandleIsInvalid":                     platform.ErrLeaseLost,
	"MessageNotInflight":                         platform.ErrLeaseLost,
	"AWS.SimpleQueueService.MessageNotInflight":  platform.ErrLeaseLost,
	"RequestTooLargeException":                   platform.ErrTooLarge,
	"RequestEntityTooLargeException":             platform.ErrTooLarge,
	"BatchRequestTooLong":                        platform.ErrTooLarge,
	"AWS.SimpleQueueService.BatchRequestTooLong": platform.ErrTooLarge,
	"OverLimit":                      platform.ErrThrottled,
	"KmsThrottled":                   platform.ErrThrottled,
	"RequestThrottled":               platform.ErrThrottled,
	"TooManyUpdates":                 platform.ErrThrottled,
	"EC2ThrottledException":          platform.ErrThrottled,
	"EC2UnexpectedException":         platform.ErrUnavailable,
	"ResourceNotReadyException":      platform.ErrUnavailable,
	"TransactionConflictException":   platform.ErrUnavailable,
	"TransactionInProgressException": platform.ErrUnavailable,
	"InternalServerError":            platform.ErrUnavailable,
	"InternalFailure":                platform.ErrUnavailable,
	"ServiceException":               platform.ErrUnavailable,
	"ResourceContention":             platform.ErrUnavailable,
}

var (
	throttle  = retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}
	retryable = retry.IsErrorRetryables(retry.DefaultRetryables)
)

// failed says what was attempted and gives the error of a service its class,
// here and nowhere else. An error that fits none is returned without one.
func failed(attempt string, err error) error {
	if err == nil {
		return nil
	}
	if class := classOf(err); class != nil {
		return fmt.Errorf("%s: %w: %w", attempt, class, err)
	}
	return fmt.Errorf("%s: %w", attempt, err)
}

// classOf returns the class of a service's error; nil when it has none, or has
// one already.
func classOf(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		if class, known := classes[api.ErrorCode()]; known {
			return class
		}
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() >= http.StatusInternalServerError {
		return platform.ErrUnavailable
	}
	switch {
	case throttle.IsErrorThrottle(err).Bool():
		return platform.ErrThrottled
	case retryable.IsErrorRetryable(err).Bool(), errors.Is(err, context.DeadlineExceeded):
		return platform.ErrUnavailable
	}
	return nil
}

// code reports whether a service gave an error of that code.
func code(err error, want string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == want
}

// transient reports whether the same call may do better a little later.
func transient(err error) bool {
	return errors.Is(err, platform.ErrThrottled) || errors.Is(err, platform.ErrUnavailable)
}
