package instance

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// metadata is an instance's metadata over HTTP that answers nobody without a
// token, as IMDSv2 does.
func metadata(t *testing.T, instanceType string) {
	t.Helper()
	const token = "a-token"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
			_, _ = w.Write([]byte(token))
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != token:
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/latest/meta-data/instance-type" && instanceType != "":
			_, _ = w.Write([]byte(instanceType))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": s.URL, "AWS_EC2_METADATA_DISABLED": "false", "AWS_REGION": "us-east-1",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
}

func TestTypeIsAskedWithAToken(t *testing.T) {
	metadata(t, "c5.large\n")
	if typ, err := Type(t.Context()); err != nil || typ != "c5.large" {
		t.Errorf("type %q, error %v", typ, err)
	}
}

func TestAMachineWithoutATypeIsSaid(t *testing.T) {
	metadata(t, "")
	if typ, err := Type(t.Context()); err == nil || !strings.Contains(err.Error(), "instance type") {
		t.Errorf("type %q, error %v", typ, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Type(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}
