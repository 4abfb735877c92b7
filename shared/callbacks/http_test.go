package callbacks

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/callback"
)

// Connections are checked by the address that a name stands for, whatever the name is.
func TestNoConnectionIsMadeWithinAMachine(t *testing.T) {
	reached := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	defer server.Close()
	t.Setenv("HTTP_PROXY", server.URL) // a proxy would be another way to choose the address
	port := server.URL[strings.LastIndex(server.URL, ":")+1:]
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		resp, err := NewHTTP(callback.Public).Get("http://" + host + ":" + port)
		if err == nil {
			resp.Body.Close()
		}
		if err == nil || reached != 0 || !strings.Contains(err.Error(), "public internet") {
			t.Errorf("%s: reached %d times, error %v", host, reached, err)
		}
	}
	resp, err := NewHTTP(callback.Loopback).Get(server.URL)
	if err != nil || reached != 1 {
		t.Fatalf("within loopback: reached %d times, error %v", reached, err)
	}
	resp.Body.Close()
}
