package testserver

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
)

// lagging answers a read of a table as the same read was answered before, unless it
// must be consistent, and keeps the answer of now for the next one.
func (f *Faults) lagging(r *http.Request, body []byte) (*http.Response, error) {
	var in struct{ ConsistentRead bool }
	res, err := f.Next(withBody(r, body))
	if json.Unmarshal(body, &in) != nil || in.ConsistentRead || err != nil || res.StatusCode != http.StatusOK {
		return res, err
	}
	now, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close() // it was read
	f.mu.Lock()
	defer f.mu.Unlock()
	before, known := f.read[string(body)]
	if f.read == nil {
		f.read = map[string]answered{}
	}
	f.read[string(body)] = answered{res.StatusCode, res.Header, now}
	if !known {
		before = f.read[string(body)]
	}
	res.Header, res.Body, res.ContentLength = before.header, io.NopCloser(bytes.NewReader(before.body)), int64(len(before.body))
	return res, nil
}

var (
	pointTimes  = regexp.MustCompile(`(?s)<Timestamps>(.*?)</Timestamps>`)
	pointValues = regexp.MustCompile(`(?s)<Values>(.*?)</Values>`)
)

// withGaps leaves a share of the points of metrics out of an answer: the next one may
// have them, so that a point comes after those that are newer.
func (f *Faults) withGaps(r *http.Request, body []byte, share float64) (*http.Response, error) {
	res, err := f.Next(withBody(r, body))
	if err != nil || res.StatusCode != http.StatusOK {
		return res, err
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close() // it was read
	times, values := pointTimes.FindAll(text, -1), pointValues.FindAll(text, -1)
	for i := range min(len(times), len(values)) {
		points, amounts := member.FindAll(times[i], -1), member.FindAll(values[i], -1)
		for k := range min(len(points), len(amounts)) {
			if f.chance("gaps", share) {
				times[i] = bytes.Replace(times[i], points[k], nil, 1)
				amounts[k] = nil
			}
		}
		text = bytes.Replace(text, pointTimes.FindAll(text, -1)[i], times[i], 1)
		whole := append(append([]byte("<Values>"), bytes.Join(amounts, nil)...), "</Values>"...)
		text = bytes.Replace(text, pointValues.FindAll(text, -1)[i], whole, 1)
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	res.Header.Del("Content-Length")
	return res, nil
}

// chance is true for a share of the times that it is asked, and counts them.
func (f *Faults) chance(name string, share float64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rand == nil || f.rand.Float64() >= share {
		return false
	}
	f.hits[name]++
	return true
}
