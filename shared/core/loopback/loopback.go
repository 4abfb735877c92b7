// Package loopback has the names by which a machine reaches itself: servers without
// tokens listen on them alone, and answer requests to them alone.
package loopback

import (
	"fmt"
	"net/netip"
	"strings"
)

// Names reports whether a host, with a port or without, names this machine for itself:
// "localhost" or a loopback address, such as 127.0.0.1:8080 or [::1].
func Names(host string) bool {
	name, _ := split(host)
	ip, err := netip.ParseAddr(name)
	return strings.EqualFold(name, "localhost") || err == nil && ip.IsLoopback()
}

// CheckAddr refuses an address to listen on that other machines could reach, and one
// without a port.
func CheckAddr(addr string) error {
	if _, port := split(addr); port == "" {
		return fmt.Errorf("%q is not HOST:PORT", addr)
	}
	if !Names(addr) {
		return fmt.Errorf("%q is not a loopback address, such as 127.0.0.1:8080", addr)
	}
	return nil
}

// split takes the port, empty where there is none, and the brackets of IPv6 off a host.
func split(host string) (name, port string) {
	if _, err := netip.ParseAddr(host); err == nil {
		return host, "" // IPv6 without brackets: what is after its last colon is no port
	}
	name, port = host, ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		name, port = host[:i], host[i+1:]
	}
	if inner, ok := strings.CutPrefix(name, "["); ok && strings.HasSuffix(inner, "]") {
		name = inner[:len(inner)-1]
	}
	return name, port
}
