package machine

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// What another machine may not is refused with the kinds that the API's document has.
func TestOtherMachinesAreRefusedByKindsOfTheAPI(t *testing.T) {
	for status, want := range map[int]string{http.StatusUnauthorized: "unauthenticated", http.StatusForbidden: "wrong-host"} {
		w := httptest.NewRecorder()
		refuseRemote(w, httptest.NewRequest(http.MethodGet, "/v1/status", nil), status, "Authorization", "a token is needed")
		var p struct{ Type string }
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status || p.Type != "urn:paragon:problem:"+want {
			t.Errorf("%d %s, error %v", w.Code, w.Body, err)
		}
	}
}
