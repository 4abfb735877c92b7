package discovery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/paragon-serving/paragon/shared/core/loopback"
)

// service is what API Gateway is called in a signature.
const service = "execute-api"

// gateway is the host of an API as API Gateway names it.
var gateway = regexp.MustCompile(`^[a-z0-9-]+\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$`)

// Region returns the region of an endpoint that API Gateway named itself.
func Region(endpoint string) (region string, ok bool) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", false
	}
	m := gateway.FindStringSubmatch(u.Hostname())
	if m == nil {
		return "", false
	}
	return m[1], true
}

// Sign returns an HTTP client that signs what goes to an endpoint by AWS's
// Signature Version 4, and nothing that goes elsewhere: the place of an upload
// lies in a bucket, and its address is signed already.
func (k Keys) Sign(c *http.Client, endpoint string, now func() time.Time) (*http.Client, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", endpoint, err)
	}
	if u.Scheme != "https" && !loopback.Names(u.Hostname()) {
		return nil, fmt.Errorf("endpoint %s must begin with https://, because its requests are signed", endpoint)
	}
	region, ok := Region(endpoint)
	if !ok {
		region = k.sdk.Region
	}
	base := c.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	signed := *c
	signed.Transport = &signer{base: base, host: u.Host, signature: NewSignature(k.sdk.Credentials, service, region, now)}
	return &signed, nil
}

// Signature signs requests of one service in one region by AWS's Signature Version 4. It
// is safe for concurrent use.
type Signature struct {
	credentials     aws.CredentialsProvider
	service, region string
	now             func() time.Time
	v4              *v4.Signer
}

// NewSignature makes one. Credentials are retrieved for each request.
func NewSignature(c aws.CredentialsProvider, service, region string, now func() time.Time) *Signature {
	return &Signature{credentials: c, service: service, region: region, now: now, v4: v4.NewSigner()}
}

// Sign signs a request with its body. ErrNoCredentials where there are none.
func (s *Signature) Sign(r *http.Request, body []byte) error {
	who, err := s.credentials.Retrieve(r.Context())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoCredentials, err)
	}
	sum := sha256.Sum256(body)
	if err := s.v4.SignHTTP(r.Context(), who, r, hex.EncodeToString(sum[:]), s.service, s.region, s.now()); err != nil {
		return fmt.Errorf("sign %s %s: %w", r.Method, r.URL.Path, err)
	}
	return nil
}

// signer signs requests to one host.
type signer struct {
	base      http.RoundTripper
	host      string
	signature *Signature
}

// RoundTrip implements http.RoundTripper. The request it was given stays as it is.
func (s *signer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != s.host {
		return s.base.RoundTrip(r)
	}
	out, body := r.Clone(r.Context()), []byte{}
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		_ = r.Body.Close() // it was read to its end, or its error says so
		if err != nil {
			return nil, fmt.Errorf("read the body to sign: %w", err)
		}
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	if err := s.signature.Sign(out, body); err != nil {
		return nil, err
	}
	return s.base.RoundTrip(out)
}
