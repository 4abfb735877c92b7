package httpapi

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/intake"
)

// urlFields are what the parameters of a URL may say of a query, by their names.
type urlFields struct {
	words  map[string]*string
	bounds map[string]**float64
	flags  map[string]*bool
}

// requestFromURL reads all but the input from the URL's parameters.
func requestFromURL(rawQuery string) (intake.Request, error) {
	var r intake.Request
	if rawQuery == "" {
		return r, nil
	}
	f := urlFields{
		words:  map[string]*string{"task": &r.Task, "model": &r.Model, "class": (*string)(&r.Class), "optimize": (*string)(&r.Optimize), "callback": &r.Callback},
		bounds: boundsByName(&r.Bounds),
		flags:  map[string]*bool{"explain": &r.Explain, "all_scores": &r.AllScores},
	}
	err := f.read(rawQuery, func(name string) error {
		return refuse(unknownField, clip(name), "does not exist; the parameters are %s", f.names())
	})
	return r, err
}

// inferFromURL reads the constraints of a request for inference from the URL's parameters.
// unknown gets the names of all others, which proxies and clients of the protocol may add.
func inferFromURL(rawQuery string, unknown func(name string)) (intake.Request, error) {
	var r intake.Request
	if rawQuery == "" {
		return r, nil
	}
	f := urlFields{words: map[string]*string{"class": (*string)(&r.Class), "optimize": (*string)(&r.Optimize)}, bounds: boundsByName(&r.Bounds)}
	err := f.read(rawQuery, func(name string) error {
		unknown(name)
		return nil
	})
	return r, err
}

// names lists the names of the parameters that there are.
func (f urlFields) names() string {
	names := slices.AppendSeq(slices.AppendSeq(slices.Collect(maps.Keys(f.words)), maps.Keys(f.bounds)), maps.Keys(f.flags))
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// read sets what the URL's parameters say, and returns the error of unknown for a name that
// is none of these.
func (f urlFields) read(rawQuery string, unknown func(name string) error) error {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return refuse(badField, "", "the URL's parameters cannot be read: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := f.set(name, values[name], unknown); err != nil {
			return err
		}
	}
	return nil
}

func (f urlFields) set(name string, given []string, unknown func(name string) error) error {
	word, bound, on := f.words[name], f.bounds[name], f.flags[name]
	switch {
	case word == nil && bound == nil && on == nil:
		return unknown(name)
	case len(given) > 1:
		return refuse(duplicateField, name, "is given twice")
	case word != nil:
		*word = given[0]
	case on != nil:
		yes, err := strconv.ParseBool(given[0])
		if err != nil {
			return refuse(badField, name, "%q is neither true nor false", clip(given[0]))
		}
		*on = yes
	default:
		x, err := strconv.ParseFloat(given[0], 64)
		if err != nil {
			return refuse(intake.BadBound, "constraints."+name, "%q is not a number", clip(given[0]))
		}
		*bound = &x
	}
	return nil
}

// completed is a query of a body with what the URL's parameters say of the fields that
// the body leaves out.
func completed(r, inURL intake.Request) intake.Request {
	r.Task, r.Model, r.Class, r.Callback = cmp.Or(r.Task, inURL.Task), cmp.Or(r.Model, inURL.Model), cmp.Or(r.Class, inURL.Class), cmp.Or(r.Callback, inURL.Callback)
	b := &r.Bounds
	b.LatencyMS, b.Accuracy, b.CostUSDPerMillion = cmp.Or(b.LatencyMS, inURL.Bounds.LatencyMS), cmp.Or(b.Accuracy, inURL.Bounds.Accuracy), cmp.Or(b.CostUSDPerMillion, inURL.Bounds.CostUSDPerMillion)
	if r.Weights == nil {
		r.Optimize = cmp.Or(r.Optimize, inURL.Optimize)
	}
	r.Explain, r.AllScores = r.Explain || inURL.Explain, r.AllScores || inURL.AllScores
	return r
}
