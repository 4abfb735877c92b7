// Package keys knows whose key a request carries, for stages whose gateway asks
// for keys instead of signatures. SSM keeps the SHA-256 of every key under its
// owner's name: who can read that list cannot call with it.
package keys

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"paragon/shared/cache"
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
)

// Client is what is needed of SSM.
type Client interface {
	GetParametersByPath(context.Context, *ssm.GetParametersByPathInput, ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error)
}

// Source tells owners by their keys. It may be used from many goroutines.
type Source struct {
	client Client
	path   string // ends with a slash
	owners *cache.Cache[map[string]string]
}

// New reads keys from below a path, which ends with a slash.
func New(client Client, path string, now func() time.Time) *Source {
	s := &Source{client: client, path: path}
	s.owners = cache.New(cache.Options[map[string]string]{
		Fetch: s.read, Timeout: readTime, Now: now,
		TTL:    func(map[string]string) time.Duration { return freshFor / 2 },
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
	owners, err := s.owners.Get(ctx)
	if err != nil {
		return "", err
	}
	return owners[hash(key)], nil
}

// hash is what SSM keeps of a key.
func hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// read returns every owner by the hash of a key.
func (s *Source) read(ctx context.Context) (map[string]string, error) {
	owners := map[string]string{}
	in := &ssm.GetParametersByPathInput{Path: aws.String(strings.TrimSuffix(s.path, "/"))}
	for {
		out, err := s.client.GetParametersByPath(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("read the keys: %w", err)
		}
		for _, p := range out.Parameters {
			owners[strings.ToLower(strings.TrimSpace(aws.ToString(p.Value)))] = strings.TrimPrefix(aws.ToString(p.Name), s.path)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return owners, nil
		}
	}
}
