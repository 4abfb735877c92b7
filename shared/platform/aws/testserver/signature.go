package testserver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signed is who signed a request, and for what.
type Signed struct{ AccessKey, Region, Service string }

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`)

// mostSkew is how far off the clock of a signature may be, as AWS has it.
const mostSkew = 5 * time.Minute

// Verify holds a request to its signature by AWS's Signature Version 4, as a
// gateway does: method, path, parameters, host, signed headers and body. secret
// gives the secret of an access key. It is written from AWS's description and
// shares no code with what signs.
func Verify(r *http.Request, body []byte, secret func(accessKey string) string, now time.Time) (Signed, error) {
	m := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return Signed{}, errors.New("there is no signature")
	}
	key, day, region, service, headers, signature := m[1], m[2], m[3], m[4], strings.Split(m[5], ";"), m[6]
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", stamp)
	if err != nil || !strings.HasPrefix(stamp, day) {
		return Signed{}, fmt.Errorf("signed at %q for the day %s", stamp, day)
	}
	if off := now.Sub(at); off > mostSkew || off < -mostSkew {
		return Signed{}, fmt.Errorf("signed %v ago", off)
	}
	if !slices.Contains(headers, "host") || r.Header.Get("X-Amz-Security-Token") != "" && !slices.Contains(headers, "x-amz-security-token") {
		return Signed{}, fmt.Errorf("signed headers %v lack one that must be", headers)
	}
	scope := strings.Join([]string{day, region, service, "aws4_request"}, "/")
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope, digest(canonical(r, headers, body))}, "\n")
	k := []byte("AWS4" + secret(key))
	for _, part := range []string{day, region, service, "aws4_request", toSign} {
		k = mac(k, part)
	}
	if want := hex.EncodeToString(k); !hmac.Equal([]byte(want), []byte(signature)) {
		return Signed{}, errors.New("the signature does not match the request")
	}
	return Signed{key, region, service}, nil
}

// canonical is a request as it is signed.
func canonical(r *http.Request, headers []string, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, encode(r.URL.EscapedPath(), "/"), parameters(r.URL.Query()))
	for _, name := range headers {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		fmt.Fprintf(&b, "%s:%s\n", name, strings.Join(strings.Fields(value), " "))
	}
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(headers, ";"), digest(string(body)))
	return b.String()
}

// parameters are those of the URL, in order.
func parameters(v url.Values) string {
	var out []string
	for name, values := range v {
		for _, value := range values {
			out = append(out, encode(name, "")+"="+encode(value, ""))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "&")
}

// encode escapes all bytes but those that AWS leaves, and those to keep.
func encode(s, keep string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~"+keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
