package cli_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
)

// Who cannot be reached for its certificate is not looked for at another address.
func TestAdviceForAServerThatCannotBeReached(t *testing.T) {
	for says, err := range map[string]error{
		"SSL_CERT_FILE": fmt.Errorf("verify: %w", x509.UnknownAuthorityError{}),
		"--endpoint":    errors.New("no such host"),
	} {
		term := cli.New(strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}, func(string) string { return "" })
		if got := term.Sentence(&client.Unreachable{Endpoint: "https://there", Err: err}); !strings.Contains(got, says) {
			t.Errorf("%s says no %s", got, says)
		}
	}
}

// A body that is too large is a matter of the picture, of the model's file or of a proxy.
func TestAdviceForABodyThatIsTooLarge(t *testing.T) {
	for says, p := range map[string]api.Problem{
		"client_max_body_size": {Type: "about:blank"},
		"picture":              {Type: "urn:paragon:problem:input-too-large"},
		"1 GiB":                {Type: "urn:paragon:problem:" + api.BadModel, Detail: "a model may have at most 1 GiB"},
	} {
		p.Status = http.StatusRequestEntityTooLarge
		term := cli.New(strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}, func(string) string { return "" })
		got := term.Sentence(&client.Problem{Problem: p})
		if !strings.Contains(got, says) || strings.Contains(got, "picture") != (says == "picture") {
			t.Errorf("%s: %q", says, got)
		}
	}
}
