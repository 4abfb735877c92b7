package clienttest

import (
	"fmt"
	"io"
	"net/http"
)

// inlineBytes is the largest input that rides in a query.
const inlineBytes = 700 << 10

// scheme begins the URIs of uploads.
const scheme = "paragon-blob:"

func (a *API) newUpload(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.uploads == nil {
		a.uploads = map[string][]byte{}
	}
	id := fmt.Sprintf("u%d", len(a.uploads))
	a.uploads[scheme+id] = nil
	write(w, http.StatusCreated, map[string]any{
		"uri": scheme + id, "url": "/v1/uploads/" + id, "method": http.MethodPut, "expires_at": Instant,
	})
}

// putUpload refuses a token, as what entitles to an upload is its URL, which
// may lead to another's server.
func (a *API) putUpload(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.uploads[scheme+r.PathValue("id")]; !ok || err != nil || r.Header.Get("Authorization") != "" {
		refuse(w, http.StatusNotFound, "not-found", "", "there is no such upload of yours")
		return
	}
	a.uploads[scheme+r.PathValue("id")] = data
	w.WriteHeader(http.StatusNoContent)
}
