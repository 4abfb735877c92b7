package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/paragon-serving/paragon/shared/platform"
)

func api(code string) error { return &smithy.GenericAPIError{Code: code, Message: "x"} }

func answered(status int) error {
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: errors.New("x"),
	}}
}

func TestErrorsHaveOneClass(t *testing.T) {
	all := []error{platform.ErrNotFound, platform.ErrLeaseLost, platform.ErrThrottled, platform.ErrTooLarge, platform.ErrUnavailable, platform.ErrFault, platform.ErrRevoked}
	for _, tc := range []struct {
		name string
		err  error
		want error // nil: no class
	}{
		{"DynamoDB's throttle", api("ProvisionedThroughputExceededException"), platform.ErrThrottled},
		{"Lambda's throttle", api("TooManyRequestsException"), platform.ErrThrottled},
		{"S3's throttle", api("SlowDown"), platform.ErrThrottled},
		{"a throttle in general", api("ThrottlingException"), platform.ErrThrottled},
		{"too many in flight", api("OverLimit"), platform.ErrThrottled},
		{"no such function", api("ResourceNotFoundException"), platform.ErrNotFound},
		{"no such object", api("NoSuchKey"), platform.ErrNotFound},
		{"no such queue", api("AWS.SimpleQueueService.NonExistentQueue"), platform.ErrNotFound},
		{"an old receipt", api("ReceiptHandleIsInvalid"), platform.ErrLeaseLost},
		{"a large payload", api("RequestTooLargeException"), platform.ErrTooLarge},
		{"a server's fault", api("InternalServerError"), platform.ErrUnavailable},
		{"a server's status", answered(503), platform.ErrUnavailable},
		{"a call that took too long", fmt.Errorf("x: %w", context.DeadlineExceeded), platform.ErrUnavailable},
		{"a caller that left", fmt.Errorf("x: %w", context.Canceled), nil},
		{"no permission", api("AccessDeniedException"), nil},
		{"a bad request", api("ValidationException"), nil},
	} {
		got := failed("do a thing", tc.err)
		if !errors.Is(got, tc.err) {
			t.Errorf("%s: %v hides its cause", tc.name, got)
		}
		for _, class := range all {
			if errors.Is(got, class) != (class == tc.want) {
				t.Errorf("%s: %v, want class %v alone", tc.name, got, tc.want)
			}
		}
	}
	if failed("do a thing", nil) != nil {
		t.Error("no error became one")
	}
}
