package callback

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func hosts(t *testing.T, list string) Hosts {
	t.Helper()
	hs, err := ParseHosts(list)
	if err != nil {
		t.Fatal(err)
	}
	return hs
}

// Only hosts of the list are called, at their ports, by https.
func TestOnlyListedHostsAreCalled(t *testing.T) {
	hs := hosts(t, "hooks.example.com, *.example.org:8443 localhost:9000")
	for _, tc := range []struct {
		url   string
		reach Reach
		says  string // empty of one that may be called
	}{
		{"https://hooks.example.com/done?q=1", Public, ""},
		{"https://HOOKS.example.com:443/", Public, ""},
		{"https://a.example.org:8443", Public, ""},
		{"https://a.b.example.org:8443", Public, ""},
		{"http://localhost:9000/", Loopback, ""},
		{"http://hooks.example.com:443/", Public, "must begin with https://"},
		{"https://hooks.example.com:444/", Public, "callback_hosts"},
		{"https://example.org:8443/", Public, "callback_hosts"},
		{"https://evilexample.org:8443/", Public, "callback_hosts"},
		{"https://hooks.example.com.evil.com/", Public, "callback_hosts"},
		{"https://hooks.example.com@evil.com/", Public, "user"},
		{"https://hooks.example.com/#x", Public, "fragment"},
		{"ftp://hooks.example.com:443/", Loopback, "must begin with https://"},
		{"hooks.example.com", Public, "not a URL"},
		{"https:hooks.example.com", Public, "not a URL"},
		{"https://", Public, "not a URL"},
		{"https://hooks.example.com/" + strings.Repeat("x", 2048), Public, "maximum is 2048"},
		{"https://hooks.example.com/", Nowhere, "not supported by this stage"},
	} {
		err := Check(tc.url, hs, tc.reach)
		if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%.60s within %q: %v, want %q", tc.url, tc.reach, err, tc.says)
		}
	}
	if err := Check("https://hooks.example.com/", nil, Public); err == nil || !strings.Contains(err.Error(), "callback_hosts") {
		t.Errorf("without a list: %v", err)
	}
	if named := hs.Named(); len(named) != 2 || named[0] != "hooks.example.com" || named[1] != "localhost" {
		t.Errorf("named %v", named)
	}
}

func TestListsThatAreNone(t *testing.T) {
	for _, list := range []string{"", " , ", "https://a.com", "a.com/x", "a.com:0", "a.com:99999", "*.", "*", "*.10.0.0.1", "a..b", "a_b.com", strings.Repeat("a,", 65)} {
		if hs, err := ParseHosts(list); err == nil {
			t.Errorf("%q lists %v", list, hs)
		}
	}
	if hs, err := ParseHosts(None); err != nil || hs != nil {
		t.Errorf("none lists %v, %v", hs, err)
	}
}

// No address within a machine, a network or a cloud is called, however it is written.
func TestOnlyPublicAddressesAreCalled(t *testing.T) {
	for text, public := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true, "::ffff:93.184.216.34": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "::": false, "0.1.2.3": false,
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "100.64.0.1": false, "::ffff:10.0.0.1": false,
		"169.254.169.254": false, "::ffff:169.254.169.254": false, "fd00:ec2::254": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false,
		"224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false, "198.18.0.1": false, "192.0.0.192": false, "192.0.2.1": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001:0:1::1": false, "2001:db8::1": false, "::7f00:1": false, "fec0::1": false, "5f00::1": false,
	} {
		a := netip.MustParseAddr(text)
		if err := CheckAddress(a, Public); (err == nil) != public {
			t.Errorf("%s: %v, want public %v", text, err, public)
		}
		if err := CheckAddress(a, Loopback); (err == nil) != (public || a.Unmap().IsLoopback()) {
			t.Errorf("%s within loopback: %v", text, err)
		}
	}
	if CheckAddress(netip.Addr{}, Loopback) == nil {
		t.Error("no address may be called")
	}
}

// What is signed is what the standard's libraries verify: the value is Python's.
func TestSignaturesAreTheStandards(t *testing.T) {
	var secret []byte
	for i := range 32 {
		secret = append(secret, byte(i))
	}
	h := Sign([][]byte{secret}, "q1", time.Unix(1_700_000_000, 0), []byte(`{"type":"query.finished"}`))
	if h[SignatureHeader] != "v1,ckEjcCYrpsc/WVLLh6El+GAvAl4D4ef71zwA9Ymf+AM=" || h[TimeHeader] != "1700000000" || h[IDHeader] != "q1" {
		t.Errorf("%v", h)
	}
	if got := SecretText(secret); got != "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" {
		t.Error(got)
	}
	k := Key("root")
	if string(k.Secret("a.com")) == string(k.Secret("b.com")) {
		t.Error("two hosts have one secret")
	}
}

// Waits grow to an hour and stay there, and the draw spreads them.
func TestWaitsGrowToABound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tries, draw := rapid.IntRange(1, 1000).Draw(rt, "tries"), rapid.Float64Range(0, 1).Draw(rt, "draw")
		wait, next := Wait(tries, draw), Wait(tries+1, draw)
		if wait < 4*time.Second || wait > 72*time.Minute || next < wait {
			rt.Fatalf("after %d tries %v, then %v", tries, wait, next)
		}
	})
}
