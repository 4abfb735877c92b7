package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// usualLimit and mostListed bound the lists of operations.
const (
	usualLimit = 20
	mostListed = 1000
)

// parameters are those of a request's address, each given once at most.
type parameters struct{ url.Values }

// readParameters reads them. One that comes twice is refused, as it has no one value.
func readParameters(r *http.Request) (parameters, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return parameters{}, refuse(badField, "", "the URL's parameters cannot be read: %v", err)
	}
	for name, given := range values {
		if len(given) > 1 {
			return parameters{}, refuse(duplicateField, clip(name), "is given twice")
		}
	}
	return parameters{values}, nil
}

// whole is a whole number within bounds; usual when it is left out. An empty one is none.
func (p parameters) whole(name string, usual, least, most int) (int, error) {
	if !p.Has(name) {
		return usual, nil
	}
	n, err := strconv.Atoi(p.Get(name))
	if err != nil || n < least || n > most {
		return 0, refuse(badField, name, "%q is not a whole number from %d to %d", clip(p.Get(name)), least, most)
	}
	return n, nil
}

// limit is the most to list of what operations list.
func (p parameters) limit() (int, error) { return p.whole("limit", usualLimit, 1, mostListed) }

// word is one of some words; empty when it is left out.
func (p parameters) word(name string, known ...string) (string, error) {
	word := p.Get(name)
	if p.Has(name) && !slices.Contains(known, word) {
		return "", refuse(badField, name, "%q is none of %s", clip(word), strings.Join(known, ", "))
	}
	return word, nil
}
