// Package keys knows whose key a request carries, for stages whose gateway asks
// for keys instead of signatures. SSM keeps a salted SHA-256 of every key under its
// owner's name: who can read that list cannot call with it, nor learn from it that two
// owners have one key or that a key is one of a table of known ones.
package keys

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/paragon-serving/paragon/shared/cache"
)

const (
	// freshFor is how long the list is used at most: so late takes a new key hold,
	// and so late a removed one ends. From half of it on it is read again, behind
	// the callers.
	freshFor = time.Minute
	// readTime bounds one read of the list.
	readTime = 5 * time.Second
	// longestKey bounds what is hashed.
	longestKey = 512
	// leastSalt is the least length of a salt.
	leastSalt = 16
)

// secret is what SSM keeps of an owner's key: salt:sum, where the sum is the SHA-256 of
// salt and key in hexadecimal digits.
type secret struct {
	owner, salt string
	sum         [sha256.Size]byte
}

// parse reads a parameter. What is none of a key opens nothing.
func parse(owner, value string) (secret, bool) {
	salt, digits, found := strings.Cut(strings.TrimSpace(value), ":")
	sum, err := hex.DecodeString(digits)
	s := secret{owner: owner, salt: salt}
	ok := found && err == nil && len(salt) >= leastSalt && copy(s.sum[:], sum) == len(s.sum) && len(sum) == len(s.sum)
	return s, ok
}

// opens says whether a key is the one.
func (s secret) opens(key string) bool {
	sum := sha256.Sum256([]byte(s.salt + key))
	return subtle.ConstantTimeCompare(sum[:], s.sum[:]) == 1
}

// Client is what is needed of SSM.
type Client interface {
	GetParametersByPath(context.Context, *ssm.GetParametersByPathInput, ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error)
}

// Source finds owners by their keys. It may be used from many goroutines.
type Source struct {
	client  Client
	path    string // ends with a slash
	secrets *cache.Cache[[]secret]
}

// New reads keys from below a path, which ends with a slash.
func New(client Client, path string, now func() time.Time) *Source {
	s := &Source{client: client, path: path}
	s.secrets = cache.New(cache.Options[[]secret]{
		Fetch: s.read, Timeout: readTime, Now: now,
		TTL:    func([]secret) time.Duration { return freshFor / 2 },
		MaxAge: func() time.Duration { return freshFor },
	})
	return s
}

// Owner returns whose key an Authorization header carries; empty when it is
// nobody's. When the list cannot be read, that of before stays in force.
func (s *Source) Owner(ctx context.Context, header string) (string, error) {
	scheme, key, _ := strings.Cut(header, " ")
	if key = strings.TrimSpace(key); !strings.EqualFold(scheme, "Bearer") || key == "" || len(key) > longestKey {
		return "", nil
	}
	secrets, err := s.secrets.Get(ctx)
	if err != nil {
		return "", err
	}
	for _, one := range secrets {
		if one.opens(key) {
			return one.owner, nil
		}
	}
	return "", nil
}

// read returns what SSM keeps of every key.
func (s *Source) read(ctx context.Context) ([]secret, error) {
	var secrets []secret
	in := &ssm.GetParametersByPathInput{Path: aws.String(strings.TrimSuffix(s.path, "/"))}
	for {
		out, err := s.client.GetParametersByPath(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("read the keys: %w", err)
		}
		for _, p := range out.Parameters {
			if one, ok := parse(strings.TrimPrefix(aws.ToString(p.Name), s.path), aws.ToString(p.Value)); ok {
				secrets = append(secrets, one)
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return secrets, nil
		}
	}
}
