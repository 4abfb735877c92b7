package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"paragon/shared/cloud"
)

// classes of the errors that services name. What is missing here is judged by
// the SDK's own lists and by its status.
var classes = map[string]error{
	"ResourceNotFoundException": cloud.ErrNotFound,
	"NoSuchKey":                 cloud.ErrNotFound,
	"NotFound":                  cloud.ErrNotFound,
	"ParameterNotFound":         cloud.ErrNotFound,
	"AWS.SimpleQueueService.NonExistentQueue":    cloud.ErrNotFound,
	"QueueDoesNotExist":                          cloud.ErrNotFound,
	"ReceiptHandleIsInvalid":                     cloud.ErrLeaseLost,
	"MessageNotInflight":                         cloud.ErrLeaseLost,
	"AWS.SimpleQueueService.MessageNotInflight":  cloud.ErrLeaseLost,
	"RequestTooLargeException":                   cloud.ErrTooLarge,
	"RequestEntityTooLargeException":             cloud.ErrTooLarge,
	"BatchRequestTooLong":                        cloud.ErrTooLarge,
	"AWS.SimpleQueueService.BatchRequestTooLong": cloud.ErrTooLarge,
	"OverLimit":                      cloud.ErrThrottled,
	"KmsThrottled":                   cloud.ErrThrottled,
	"RequestThrottled":               cloud.ErrThrottled,
	"TooManyUpdates":                 cloud.ErrThrottled,
	"EC2ThrottledException":          cloud.ErrThrottled,
	"EC2UnexpectedException":         cloud.ErrUnavailable,
	"ResourceNotReadyException":      cloud.ErrUnavailable,
	"TransactionConflictException":   cloud.ErrUnavailable,
	"TransactionInProgressException": cloud.ErrUnavailable,
	"InternalServerError":            cloud.ErrUnavailable,
	"InternalFailure":                cloud.ErrUnavailable,
	"ServiceException":               cloud.ErrUnavailable,
	"ResourceContention":             cloud.ErrUnavailable,
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
		return cloud.ErrUnavailable
	}
	switch {
	case throttle.IsErrorThrottle(err).Bool():
		return cloud.ErrThrottled
	case retryable.IsErrorRetryable(err).Bool(), errors.Is(err, context.DeadlineExceeded):
		return cloud.ErrUnavailable
	}
	return nil
}

// code tells whether a service gave an error of that code.
func code(err error, want string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == want
}

// transient tells whether the same call may do better a little later.
func transient(err error) bool {
	return errors.Is(err, cloud.ErrThrottled) || errors.Is(err, cloud.ErrUnavailable)
}
