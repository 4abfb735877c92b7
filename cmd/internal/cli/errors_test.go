package cli_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
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
