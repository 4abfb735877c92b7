package loopback_test

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/core/loopback"
)

func TestNames(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "localhost:80": true, "127.0.0.1": true, "127.0.0.1:8080": true, "127.9.9.9": true,
		"::1": true, "[::1]": true, "[::1]:8080": true,
		"": false, ":8080": false, "0.0.0.0": false, "0.0.0.0:8080": false, "[::]:8080": false, "10.0.0.1": false, "localhost.evil.example": false,
		"127.0.0.1.evil.example": false, "evil.example:80": false, "169.254.169.254": false, "[": false, "]": false, ":": false, "[::1": false,
	} {
		if got := loopback.Names(host); got != want {
			t.Errorf("%q names this machine: %t, want %t", host, got, want)
		}
	}
}

func TestCheckAddr(t *testing.T) {
	for addr, ok := range map[string]bool{"127.0.0.1:0": true, "localhost:8080": true, "[::1]:1": true, "127.0.0.1": false, ":8080": false, "0.0.0.0:1": false, "": false} {
		if err := loopback.CheckAddr(addr); (err == nil) != ok {
			t.Errorf("%q: %v, want it taken: %t", addr, err, ok)
		}
	}
}
