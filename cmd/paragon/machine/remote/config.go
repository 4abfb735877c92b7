// Package remote lets other machines reach a stage of one machine: by TLS or through
// named proxies, and with a token alone. A token names its owner and what the owner may do.
package remote

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/paragon-serving/paragon/shared/intake/httpapi"
)

// Config says where other machines reach the stage, and who may.
type Config struct {
	// Listen is the address, HOST:PORT; empty means that no other machine reaches the stage.
	Listen string
	// Tokens is the file of those who may; see Token.
	Tokens string
	// CertFile and KeyFile are of the TLS certificate, in PEM.
	CertFile, KeyFile string
	// Proxies are the networks, such as 10.0.0.0/8, whose members alone may connect. They
	// are the callers' ends of TLS where there is no certificate here.
	Proxies []string
}

// Check names the flag that cannot be used, and what to do.
func (c Config) Check() error {
	if c.Listen == "" {
		switch {
		case c.Tokens != "":
			return withoutListen("tokens")
		case c.CertFile != "":
			return withoutListen("tls-cert")
		case c.KeyFile != "":
			return withoutListen("tls-key")
		case len(c.Proxies) > 0:
			return withoutListen("proxies")
		}
		return nil
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("--listen %q is not HOST:PORT: %w", c.Listen, err)
	}
	if c.Tokens == "" {
		return errors.New("--listen needs --tokens: a file with owner, role (caller or operator) and token of one caller on each line")
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return errors.New("--tls-cert and --tls-key must be given together")
	}
	if c.CertFile == "" && len(c.Proxies) == 0 {
		return errors.New("--listen needs --tls-cert and --tls-key, or --proxies with the networks of the proxies that terminate TLS in front of it: tokens must not be sent unencrypted")
	}
	_, err := c.networks()
	return err
}

// withoutListen is the error of a flag that means nothing without --listen.
func withoutListen(flag string) error {
	return fmt.Errorf("--%s needs --listen, the address at which other machines reach this one", flag)
}

// networks are those of the proxies.
func (c Config) networks() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range c.Proxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--proxies: %q is not a network such as 10.0.0.0/8 or 192.0.2.7/32: %w", text, err)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// Open reads the tokens and the certificate and listens. What is wrong with them is
// found before anything listens. Changed files are read again.
func (c Config) Open(now func() time.Time, log *slog.Logger) (net.Listener, *Tokens, error) {
	if err := c.Check(); err != nil {
		return nil, nil, err
	}
	tokens, err := ReadTokens(c.Tokens, now, log)
	if err != nil {
		return nil, nil, err
	}
	secure, err := c.secure(now, log)
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, nil, fmt.Errorf("listen for other machines: %w; name another address with --listen", err)
	}
	l = httpapi.Bounded(l, httpapi.MostConnections)
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	return l, tokens, nil
}

// secure is the configuration of TLS; nil without a certificate.
func (c Config) secure(now func() time.Time, log *slog.Logger) (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	certificate := watch(now, log, func() (tls.Certificate, error) { return tls.LoadX509KeyPair(c.CertFile, c.KeyFile) }, c.CertFile, c.KeyFile)
	if _, err := certificate.get(); err != nil {
		return nil, fmt.Errorf("tls-cert %s with tls-key %s: %w", c.CertFile, c.KeyFile, err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := certificate.get()
			return &cert, err
		},
	}, nil
}

// stamp is by what a changed file is known.
func stamp(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size()), nil
}
