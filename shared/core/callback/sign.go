package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The headers of a call, as standardwebhooks.com has them: its libraries verify them.
const (
	IDHeader        = "Webhook-Id"        // the query's id: the same in each try
	TimeHeader      = "Webhook-Timestamp" // of this try, Unix seconds
	SignatureHeader = "Webhook-Signature" // "v1," and base64 of the HMAC, with a space between several
)

// secretPrefix begins a secret as the libraries take it.
const secretPrefix = "whsec_"

// Key is what the secrets of a stage's hosts are made of.
type Key []byte

// Secret is that of one host, who can then verify its own calls and sign none to others.
func (k Key) Secret(host string) []byte {
	mac := hmac.New(sha256.New, k)
	fmt.Fprintf(mac, "callbacks\n%s", strings.ToLower(host))
	return mac.Sum(nil)
}

// SecretText is a secret as receivers are given it.
func SecretText(secret []byte) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// Keys are those of a stage: the current one first, and then earlier ones that receivers
// may still have secrets of.
type Keys []Key

// KeysOf are keys from their bytes.
func KeysOf(list [][]byte) (ks Keys) {
	for _, k := range list {
		ks = append(ks, k)
	}
	return ks
}

// Secrets are those of one host, the current one first.
func (ks Keys) Secrets(host string) (secrets [][]byte) {
	for _, k := range ks {
		secrets = append(secrets, k.Secret(host))
	}
	return secrets
}

// Sign returns the headers of a call, with a signature by each secret.
func Sign(secrets [][]byte, id string, at time.Time, body []byte) map[string]string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	var signatures []string
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "%s.%s.", id, stamp)
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return map[string]string{IDHeader: id, TimeHeader: stamp, SignatureHeader: strings.Join(signatures, " ")}
}
