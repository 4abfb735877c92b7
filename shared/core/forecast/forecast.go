// Package forecast says what a series will be some steps ahead, and how wrong
// that may be. Every forecaster is a pure function of the recent past, so that
// what a controller keeps between two ticks is the series alone. Nothing here
// reads a clock or keeps a state.
package forecast

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Forecaster expects the value of a series ahead of its end.
type Forecaster interface {
	Name() string
	// Expect returns the value ahead steps after the last one of the past, oldest
	// first. It is never negative; an empty past gives 0.
	Expect(past []float64, ahead int) float64
}

// Band is a forecast with its error.
type Band struct {
	Expected float64   `json:"expected"`
	By       string    `json:"by"`               // the forecaster
	MAE      float64   `json:"mae"`              // its mean absolute error lately
	Errors   []float64 `json:"errors,omitempty"` // truth less forecast lately, rising
}

// Quantile returns the forecast's quantile q, 0 to 1: the value that the truth
// stays below with that probability, going by the recent errors. Without any
// it is the expected value.
func (b Band) Quantile(q float64) float64 {
	if len(b.Errors) == 0 {
		return b.Expected
	}
	at := int(q * float64(len(b.Errors)))
	return max(0, b.Expected+b.Errors[min(max(at, 0), len(b.Errors)-1)])
}

// Auto is the name of the choice by recent error.
const Auto = "auto"

// Names lists the forecasters, auto first.
func Names() []string {
	out := []string{Auto}
	for _, f := range all() {
		out = append(out, f.Name())
	}
	return out
}

// all returns every forecaster.
func all() []Forecaster {
	return []Forecaster{
		Last{}, MovingAverage{Steps: 18}, EWMA{Alpha: 0.1}, HoltWinters{Alpha: 0.2, Beta: 0.05, Damping: 0.9},
		LinearRegression{Steps: 18}, ShortAverage{},
	}
}

// newForecaster returns the forecaster of a name other than auto.
func newForecaster(name string) (Forecaster, error) {
	fs := all()
	i := slices.IndexFunc(fs, func(f Forecaster) bool { return f.Name() == name })
	if i < 0 {
		return nil, fmt.Errorf("forecaster %q is none of %v", name, Names())
	}
	return fs[i], nil
}

// Ahead forecasts a series by a forecaster's name, with the errors that it
// would have made over the last tries steps. auto takes the one with the least
// mean absolute error, and of equals the simpler.
func Ahead(name string, past []float64, ahead, tries int) (Band, error) {
	if name != Auto {
		f, err := newForecaster(name)
		if err != nil {
			return Band{}, err
		}
		return With(f, past, ahead, tries), nil
	}
	var best Band
	for i, f := range all() {
		if b := With(f, past, ahead, tries); i == 0 || b.MAE < best.MAE {
			best = b
		}
	}
	return best, nil
}

// With forecasts with one forecaster. Its mean absolute error is that of the
// forecasts that it would have made ahead steps before each of the last tries
// values; the errors of the band are those whose predictions are nearest
// to the prediction made now, as load errs upwards when it is low and downwards
// when it is high.
func With(f Forecaster, past []float64, ahead, tries int) Band {
	b := Band{Expected: f.Expect(past, ahead), By: f.Name()}
	n := min(tries, len(past)-ahead)
	if n <= 0 || ahead <= 0 {
		return b
	}
	all := make([]attempt, n)
	for i := range all {
		at := len(past) - n + i // the value to predict
		predicted := f.Expect(past[:at-ahead+1], ahead)
		all[i] = attempt{math.Abs(predicted - b.Expected), past[at] - predicted}
		b.MAE += math.Abs(all[i].err) / float64(n)
	}
	slices.SortFunc(all, attempt.compare)
	b.Errors = make([]float64, min(n, max(leastAlike, n/alikeShare)))
	for i := range b.Errors {
		b.Errors[i] = all[i].err
	}
	slices.Sort(b.Errors)
	return b
}

// attempt is a forecast of the past: how far its prediction is from what is
// predicted now, and how wrong it was.
type attempt struct{ far, err float64 }

// compare is the order of attempts, the nearest first.
func (a attempt) compare(b attempt) int {
	switch {
	case a.far < b.far:
		return -1
	case a.far > b.far:
		return 1
	}
	return cmp.Compare(a.err, b.err)
}

// The band takes one part in alikeShare of the attempts, and at least leastAlike.
const (
	alikeShare = 5
	leastAlike = 20
)
