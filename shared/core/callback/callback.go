// Package callback is the rules of callbacks: which addresses may be called, how a call
// is signed, and when one that failed is tried again. It is pure; package callbacks
// sends them.
package callback

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Reach is where the process of a stage may send callbacks.
type Reach string

// The reaches.
const (
	Nowhere  Reach = ""         // no callbacks at all
	Public   Reach = "public"   // https to addresses of the public internet
	Loopback Reach = "loopback" // these, and the machine itself, also by http
)

// None is the list of hosts that has none.
const None = "none"

// Bounds of what is asked.
const (
	maxURLBytes = 2048
	maxHosts    = 64
	httpsPort   = "443"
)

// Hosts are those that may be called.
type Hosts []host

// host is one of the list: a name, or those below a name, at one port.
type host struct {
	name  string // lower case
	below bool   // those below the name, not itself
	port  string
}

// ParseHosts reads a list of hosts, separated by commas or spaces: hooks.example.com,
// *.example.org for those below it, with a port where it is not 443; or none. The error
// names the entry.
func ParseHosts(list string) (Hosts, error) {
	if strings.TrimSpace(list) == None {
		return nil, nil
	}
	words := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	if len(words) == 0 {
		return nil, fmt.Errorf("no host is listed: write %s to allow no callbacks", None)
	}
	if len(words) > maxHosts {
		return nil, fmt.Errorf("%d hosts are listed, and the maximum is %d", len(words), maxHosts)
	}
	var out Hosts
	for _, word := range words {
		h, err := parseHost(word)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

func parseHost(word string) (host, error) {
	h := host{port: httpsPort}
	rest, below := strings.CutPrefix(strings.ToLower(word), "*.")
	h.below, h.name = below, rest
	if name, port, ok := strings.Cut(rest, ":"); ok { // an address of IPv6 is no host here
		h.name, h.port = name, port
	}
	if !isName(h.name) || !isPort(h.port) {
		return h, fmt.Errorf("%.80q is not a host: write hooks.example.com or *.example.com, with :port if the port is not 443", word)
	}
	if _, err := netip.ParseAddr(h.name); err == nil && below {
		return h, fmt.Errorf("%.80q is a pattern below an IP address: write the address without the leading \"*.\"", word)
	}
	return h, nil
}

// isName reports whether a word can be a host: labels of letters, digits and dashes.
func isName(word string) bool {
	if len(word) == 0 || len(word) > 253 {
		return false
	}
	for label := range strings.SplitSeq(word, ".") {
		if len(label) == 0 || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}

func isPort(word string) bool {
	_, err := netip.ParseAddrPort("0.0.0.0:" + word)
	return err == nil && word != "0"
}

// Allow reports whether a host is on the list, at a port.
func (hs Hosts) Allow(name, port string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(hs, func(h host) bool {
		return h.port == port && (!h.below && h.name == name || h.below && strings.HasSuffix(name, "."+h.name))
	})
}

// Named lists the hosts that are no pattern.
func (hs Hosts) Named() (out []string) {
	for _, h := range hs {
		if !h.below {
			out = append(out, h.name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Check reports why an address may not be called; nil when it may. What its name
// resolves to is checked at each call.
func Check(address string, hs Hosts, reach Reach) error {
	u, err := parseURL(address)
	switch {
	case err != nil:
		return err
	case reach == Nowhere:
		return fmt.Errorf("is not supported by this stage: deploy the stage again, or read the answer with GET /v1/queries/ID")
	case len(hs) == 0:
		return fmt.Errorf("is not allowed: the setting callback_hosts lists no host, and the operator must add this one")
	case u.Scheme != "https" && !(u.Scheme == "http" && reach == Loopback):
		return fmt.Errorf("has the scheme %.16q, and must begin with https://", u.Scheme)
	case !hs.Allow(u.Hostname(), PortOf(u)):
		return fmt.Errorf("has the host %.80q and the port %s, which the setting callback_hosts does not list: the operator must add them", u.Hostname(), PortOf(u))
	}
	return nil
}

// parseURL wants an absolute address without what a request would not send, or would
// send to any server that answers.
func parseURL(address string) (*url.URL, error) {
	if len(address) > maxURLBytes {
		return nil, fmt.Errorf("has %d characters, and the maximum is %d", len(address), maxURLBytes)
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return nil, fmt.Errorf("is not a URL such as https://hooks.example.com/done")
	case u.User != nil:
		return nil, fmt.Errorf("contains a user name: remove it, and verify calls by their signature")
	case u.Fragment != "":
		return nil, fmt.Errorf("contains a #fragment, which HTTP does not send: remove it")
	}
	return u, nil
}

// PortOf is the port of an address.
func PortOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return httpsPort
}

// HostOf is the host and port of an address that Check lets through, in lower case.
func HostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname()) + ":" + PortOf(u)
}

// How often a call is tried: after 5 s, then after three times as long each, up to an
// hour.
const (
	firstWait, mostWait = 5 * time.Second, time.Hour
	growth              = 3
)

// Wait is how long to wait after the given number of tries, spread by a draw from 0 to 1 so that
// calls that failed together do not come again together: 0.8 to 1.2 times the step.
func Wait(tries int, draw float64) time.Duration {
	wait := firstWait
	for range tries - 1 {
		if wait = min(wait*growth, mostWait); wait == mostWait {
			break
		}
	}
	return time.Duration(float64(wait) * (0.8 + 0.4*draw))
}
