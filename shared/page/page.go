// Package page serves the live page: one place to see what the fleet does at
// this moment and to try a picture. It is plain HTML, CSS and JavaScript,
// embedded in the binary; it asks nothing of the network but the API of the same server.
package page

import (
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
)

//go:embed assets
var embedded embed.FS

// policy lets the page use what this server sends, and nothing else: no inline
// script or style, no other host, no frame around it. Pictures that were
// dropped on it are shown from memory.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// types are the files that are served; anything else in the folders is not.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".png":  "image/png",
	".jpg":  "image/jpeg",
}

// Handler serves the page at /, its files below /page/ and the sample pictures
// below /samples/, where /samples/ itself lists their names as JSON. Mount it
// where the API has no path.
func Handler(samples fs.FS) http.Handler {
	assets, err := fs.Sub(embedded, "assets")
	if err != nil {
		panic("page: " + err.Error()) // the path is a constant, and valid
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { serve(w, r, assets, "index.html") })
	mux.HandleFunc("GET /page/{file}", func(w http.ResponseWriter, r *http.Request) { serve(w, r, assets, r.PathValue("file")) })
	mux.HandleFunc("GET /samples/{$}", func(w http.ResponseWriter, _ *http.Request) { list(w, samples) })
	mux.HandleFunc("GET /samples/{file}", func(w http.ResponseWriter, r *http.Request) { serve(w, r, samples, r.PathValue("file")) })
	return guarded(mux)
}

// guarded adds the headers that every answer has.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache") // a new binary brings a new page
		next.ServeHTTP(w, r)
	})
}

// serve sends one file of a folder, if it is of a kind that is served.
func serve(w http.ResponseWriter, r *http.Request, files fs.FS, name string) {
	kind, ok := types[path.Ext(name)]
	if !ok || !fs.ValidPath(name) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kind)
	http.ServeFileFS(w, r, files, name)
}

// sample is a picture to try, and what it shows.
type sample struct {
	File  string `json:"file"`
	Label string `json:"label"`
}

// maxSamples is how many pictures the page offers.
const maxSamples = 10

// list names one picture of each kind, the kind being what follows the number
// in "0000-ankle-boot.png". A picture without a number is of a kind of its own: "coffee.jpg".
func list(w http.ResponseWriter, samples fs.FS) {
	entries, err := fs.ReadDir(samples, ".")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a catalogue may have none
		http.Error(w, "could not read the sample pictures", http.StatusInternalServerError)
		return
	}
	found := []sample{}
	for _, e := range entries {
		base := strings.TrimSuffix(e.Name(), path.Ext(e.Name()))
		kind := base
		if number, rest, ok := strings.Cut(base, "-"); ok && strings.Trim(number, "0123456789") == "" {
			kind = rest
		}
		if !strings.HasPrefix(types[path.Ext(e.Name())], "image/") || e.IsDir() {
			continue
		}
		s := sample{File: e.Name(), Label: strings.ReplaceAll(kind, "-", " ")}
		if !slices.ContainsFunc(found, func(f sample) bool { return f.Label == s.Label }) && len(found) < maxSamples {
			found = append(found, s)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(found) // the caller may be gone
}
