package remote

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	annesToken = "0123456789abcdef0123456789abcdef"
	bobsToken  = "fedcba9876543210fedcba9876543210"
)

// tokensFile writes a file of tokens that only this user may read.
func tokensFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func anneAndBob(t *testing.T) string {
	return tokensFile(t, "# who may ask\nanne caller "+annesToken+"\n\nbob operator "+bobsToken+" # until May\n")
}

// certificate writes a certificate of 127.0.0.1 and its key.
func certificate(t *testing.T, name string) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile, pool = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), x509.NewCertPool()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool.AppendCertsFromPEM(text)
	for path, text := range map[string][]byte{certFile: text, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, pool
}

// echo answers with what a request says.
func echo(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "owner=%s operator=%t host=%s leaked=%t", httpapi.LocalOwner(r), r.Header.Get(api.OperatorHeader) == "the-operator", r.Host,
		r.Header.Get(platform.OwnerHeader)+r.Header.Get("X-Forwarded-For")+r.Header.Get("Authorization") != "")
}

// serve opens a listener and returns its address.
func serve(t *testing.T, c Config) string {
	t.Helper()
	c.Listen = "127.0.0.1:0"
	l, tokens, err := c.Open(time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	handler, err := NewHandler(c, tokens)
	if err != nil {
		t.Fatal(err)
	}
	handler.Host, handler.Operator, handler.API = "127.0.0.1:1", "the-operator", http.HandlerFunc(echo)
	handler.Refuse = func(w http.ResponseWriter, _ *http.Request, status int, field, detail string) {
		http.Error(w, field+": "+detail, status)
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return URL(c, l)
}

func TestWhoIsLetIn(t *testing.T) {
	certFile, keyFile, pool := certificate(t, "here")
	secured := Config{Tokens: anneAndBob(t), CertFile: certFile, KeyFile: keyFile}
	behind := Config{Tokens: secured.Tokens, Proxies: []string{"127.0.0.0/8"}}
	apart := Config{Tokens: secured.Tokens, Proxies: []string{"192.0.2.0/24"}}
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	for _, tt := range []struct {
		name, method, path string
		config             Config
		header             http.Header
		status             int
		says               string
	}{
		{"a caller", "POST", "/v1/queries", secured, bearer(annesToken), 200, "owner=anne operator=false host=127.0.0.1:1 leaked=false"},
		{"an operator", "POST", "/v1/queries", secured, bearer(bobsToken), 200, "owner=bob operator=true"},
		{"a browser, whose password is the token", "GET", "/", secured, http.Header{"Authorization": {"Basic Ym9iOmZlZGNiYTk4NzY1NDMyMTBmZWRjYmE5ODc2NTQzMjEw"}}, 200, "owner=bob operator=true"},
		{"no token", "POST", "/v1/queries", secured, nil, 401, "Authorization: a token is needed"},
		{"another token", "POST", "/v1/queries", secured, bearer(annesToken[1:] + "x"), 401, "this token is not in the token file"},
		{"an empty token", "POST", "/v1/queries", secured, bearer(""), 401, "a token is needed"},
		{"two tokens", "POST", "/v1/queries", secured, http.Header{"Authorization": {"Bearer " + annesToken, "Bearer " + bobsToken}}, 401, "a token is needed"},
		{"a caller says that it is another", "POST", "/v1/queries", secured, http.Header{"Authorization": {"Bearer " + annesToken}, platform.OwnerHeader: {"bob"},
			api.OperatorHeader: {"the-operator"}, "X-Forwarded-For": {"127.0.0.1"}}, 200, "owner=anne operator=false host=127.0.0.1:1 leaked=false"},
		{"a page of another origin", "POST", "/v1/queries", secured, http.Header{"Authorization": {"Bearer " + annesToken}, "Sec-Fetch-Site": {"cross-site"}}, 403, "Origin: web pages of other origins"},
		{"metrics need a token, too", "GET", "/metrics", secured, nil, 401, "a token is needed"},
		{"a probe", "GET", "/healthz", secured, nil, 200, "operator=false"},
		{"a probe that changes", "POST", "/healthz", secured, nil, 401, "a token is needed"},
		{"a place for an upload", "PUT", "/v1/uploads/abc", secured, nil, 200, "owner= operator=false"},
		{"by a proxy", "POST", "/v1/queries", behind, bearer(annesToken), 200, "owner=anne"},
		{"by a proxy, without a token", "POST", "/v1/queries", behind, nil, 401, "a token is needed"},
		{"past the proxies", "POST", "/v1/queries", apart, bearer(annesToken), 403, "only the proxies"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
			defer c.CloseIdleConnections()
			req, err := http.NewRequestWithContext(t.Context(), tt.method, serve(t, tt.config)+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = tt.header.Clone()
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var body bytes.Buffer
			if _, err := body.ReadFrom(resp.Body); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || !strings.Contains(body.String(), tt.says) {
				t.Errorf("%d %s, want %d with %q", resp.StatusCode, body.String(), tt.status, tt.says)
			}
			if asks := resp.Header.Values("WWW-Authenticate"); (tt.status == 401) != (len(asks) == 2) {
				t.Errorf("asks for %v", asks)
			}
		})
	}
}

func TestWithoutTLSNothingIsAnswered(t *testing.T) {
	certFile, keyFile, _ := certificate(t, "here")
	url := serve(t, Config{Tokens: anneAndBob(t), CertFile: certFile, KeyFile: keyFile})
	resp, err := http.Get("http" + strings.TrimPrefix(url, "https") + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	certFile, keyFile, _ := certificate(t, "here")
	otherCert, _, _ := certificate(t, "there")
	good := Config{Listen: "127.0.0.1:0", Tokens: anneAndBob(t), CertFile: certFile, KeyFile: keyFile}
	readable := anneAndBob(t)
	if err := os.Chmod(readable, 0o644); err != nil {
		t.Fatal(err)
	}
	tokens := func(text string) func(*Config) {
		return func(c *Config) { c.Tokens = tokensFile(t, text) }
	}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"no tokens", func(c *Config) { c.Tokens = "" }, "--listen needs --tokens"},
		{"neither TLS nor proxies", func(c *Config) { c.CertFile, c.KeyFile = "", "" }, "--listen needs --tls-cert and --tls-key, or --proxies"},
		{"a certificate without its key", func(c *Config) { c.KeyFile = "" }, "--tls-cert and --tls-key must be given together"},
		{"a key of another certificate", func(c *Config) { c.CertFile = otherCert }, "does not match"},
		{"a certificate that is not there", func(c *Config) { c.CertFile = "nowhere" }, "no such file"},
		{"tokens without an address", func(c *Config) { *c = Config{Tokens: c.Tokens} }, "--tokens needs --listen"},
		{"an address without a port", func(c *Config) { c.Listen = "0.0.0.0" }, `--listen "0.0.0.0" is not HOST:PORT`},
		{"no network", func(c *Config) { c.Proxies = []string{"10.0.0.1"} }, `--proxies: "10.0.0.1" is not a network`},
		{"others may read the tokens", func(c *Config) { c.Tokens = readable }, "other users may read it (mode 0644): run chmod 600"},
		{"tokens that are not there", func(c *Config) { c.Tokens = "nowhere" }, "tokens nowhere: "},
		{"no line", tokens("# nobody\n"), "has 0 tokens, not within 1 to"},
		{"a field too few", tokens("anne " + annesToken), "line 1: has 2 fields, not three: owner, role, token"},
		{"a role that is none", tokens("anne admin " + annesToken), `line 1: role "admin" is not caller or operator`},
		{"a name of this machine's", tokens("local caller " + annesToken), `owner "local" is reserved for callers on this machine`},
		{"no name", tokens("Anne! caller " + annesToken), `owner "Anne!" must have 1 to 63 characters of a-z`},
		{"a short token", tokens("\nanne caller secret"), "line 2: the token has 6 characters, not 32 to 256"},
		{"a token twice", tokens("anne caller " + annesToken + "\nbob caller " + annesToken), "line 2: another line has the same token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			err := c.Check()
			if err == nil {
				var l net.Listener
				if l, _, err = c.Open(time.Now, slog.New(slog.DiscardHandler)); err == nil {
					_ = l.Close()
				}
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q", err, tt.says)
			}
			if err != nil && (strings.Contains(err.Error(), annesToken) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("the error says a token: %v", err)
			}
		})
	}
}

// A changed file counts within a second; one that cannot be taken leaves the tokens
// as they were, and the log says so once.
func TestAChangedFileIsReadAgain(t *testing.T) {
	path, now := anneAndBob(t), time.Unix(1_700_000_000, 0)
	var log bytes.Buffer
	tokens, err := ReadTokens(path, func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	known := func(token string) bool { _, ok := tokens.Of(token); return ok }
	write("bob operator " + bobsToken + "\n")
	if !known(annesToken) {
		t.Error("the file is read at each request")
	}
	now = now.Add(pollEvery)
	if known(annesToken) || !known(bobsToken) {
		t.Error("a token that was taken out is still taken a second later, or the other one is not")
	}
	write("bob operator short\n")
	for range 3 {
		now = now.Add(pollEvery)
		if !known(bobsToken) {
			t.Error("a faulty file took the tokens away")
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors in the log:\n%s", n, log.String())
	}
	write("anne caller " + annesToken + "\n")
	now = now.Add(pollEvery)
	if !known(annesToken) || known(bobsToken) {
		t.Error("the mended file is not read")
	}
}
