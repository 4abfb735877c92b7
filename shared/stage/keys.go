// Package stage is the wiring that functions, workers and the one-machine server
// share: what they read from the environment, which platform they connect to,
// and how intake and dispatcher are assembled of that.
package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// KeySet is the stage's signing keys as its secret keeps them. To rotate, move
// current to the front of earlier and put a new key in its place; what was signed
// with an earlier key is taken as long as that key is listed.
type KeySet struct {
	Current []byte   `json:"current"`
	Earlier [][]byte `json:"earlier,omitempty"`
}

// keyBytes is the length of a new key.
const keyBytes = 32

// NewKeySet makes a key from random numbers.
func NewKeySet(random io.Reader) (KeySet, error) {
	s := KeySet{Current: make([]byte, keyBytes)}
	if _, err := io.ReadFull(random, s.Current); err != nil {
		return s, fmt.Errorf("make a signing key: %w", err)
	}
	return s, nil
}

// ParseKeySet reads the keys from the JSON of a secret. Errors do not quote it.
func ParseKeySet(text []byte) (signed.Keys, error) {
	var s KeySet
	if err := json.Unmarshal(text, &s); err != nil {
		return signed.Keys{}, errors.New(`signing keys: not JSON of the form {"current": "<base64>", "earlier": ["<base64>"]}`)
	}
	return signed.NewKeys(s.Current, s.Earlier...)
}

// Keys returns the signing keys of the stage that the environment names: in
// PARAGON_SIGNING_KEYS on one machine, else in the secret that
// PARAGON_SIGNING_SECRET names.
func Keys(ctx context.Context, env func(string) string) (signed.Keys, error) {
	if text := env(names.SigningKeys); text != "" {
		return ParseKeySet([]byte(text))
	}
	arn := env(names.SigningSecret)
	if arn == "" {
		return signed.Keys{}, fmt.Errorf("neither %s nor %s is set: the first holds the keys that sign query ids, the second is the ARN of the secret that holds them", names.SigningKeys, names.SigningSecret)
	}
	sdk, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return signed.Keys{}, fmt.Errorf("read the signing keys: %w", err)
	}
	out, err := secretsmanager.NewFromConfig(sdk).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)})
	if err != nil {
		return signed.Keys{}, fmt.Errorf("read the signing keys: %w", err)
	}
	return ParseKeySet([]byte(aws.ToString(out.SecretString)))
}

// unixPrefix marks the address of a Unix socket.
const unixPrefix = "unix:"

// Listen opens the listener that PARAGON_LISTEN names: host:port, or
// unix:/path, which only this user may reach.
func Listen(addr string) (net.Listener, error) {
	path, unix := strings.CutPrefix(addr, unixPrefix)
	if !unix {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", environment.Listen, err)
		}
		return l, nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: remove the socket of an earlier process: %w", environment.Listen, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", environment.Listen, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", environment.Listen, err), l.Close())
	}
	return l, nil
}
