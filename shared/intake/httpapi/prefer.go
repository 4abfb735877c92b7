package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// preferWait reads how long a caller prefers to wait for a result (RFC 7240).
// Preferences that are not known, or make no sense, are passed over.
func preferWait(h http.Header) (time.Duration, bool) {
	for _, line := range h.Values("Prefer") {
		for preference := range strings.SplitSeq(line, ",") {
			token, _, _ := strings.Cut(preference, ";")
			name, value, _ := strings.Cut(token, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(value), `"`))
			if err != nil || n < 0 {
				return 0, false
			}
			return time.Duration(min(n, 3600)) * time.Second, true
		}
	}
	return 0, false
}
