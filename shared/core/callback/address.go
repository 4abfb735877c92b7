package callback

import (
	"fmt"
	"net/netip"
)

// special are the ranges that are not the public internet and that netip does not name:
// IANA's special-purpose registries, with the ways that IPv6 embeds IPv4.
var special = func() (out []netip.Prefix) {
	for _, text := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}()

// global holds the addresses of IPv6 that are given out at all.
var global = netip.MustParsePrefix("2000::/3")

// CheckAddress reports why a callback may not go to an address that a name stands for;
// nil when it may. Private, loopback, link-local (with the metadata of clouds at
// 169.254.169.254), multicast and reserved addresses are none of the public internet;
// the machine itself is within the reach Loopback.
func CheckAddress(a netip.Addr, reach Reach) error {
	a = a.Unmap()
	if a.IsLoopback() && reach == Loopback {
		return nil
	}
	public := a.IsValid() && a.Zone() == "" && a.IsGlobalUnicast() && !a.IsPrivate() && (a.Is4() || global.Contains(a))
	for _, p := range special {
		public = public && !p.Contains(a)
	}
	if !public {
		return fmt.Errorf("%v is not an address of the public internet: callbacks can go only to public addresses", a)
	}
	return nil
}
