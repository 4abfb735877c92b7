// Package workload holds the one estimate of what a pool has to do: what queries
// ask for, how long one takes on average, and how much work is ahead in
// milliseconds of one runner. The view of the fleet, the tick and intake work
// with it. It is pure.
package workload

import "github.com/paragon-serving/paragon/shared/core/profile"

// Mean is a mean over the last queries, and over how many.
type Mean struct {
	Value   float64 `json:"value"`
	Queries float64 `json:"queries"`
}

// meanQueries is how many queries a mean goes back.
const meanQueries = 500

// mostSum is beyond what queries can sum up to between two ticks.
const mostSum = 1e15

// Add takes the sum of the values of the given number of queries. What is no number, or of no
// query, changes nothing.
func (m Mean) Add(sum, queries float64) Mean {
	if !(sum > 0 && sum < mostSum) || !(queries > 0 && queries < mostSum) {
		return m
	}
	old := min(m.Queries, meanQueries)
	return Mean{Value: (m.Value*old + sum) / (old + queries), Queries: old + queries}
}

// Or is the mean, or what stands for it as long as no query came.
func (m Mean) Or(unknown float64) float64 {
	if m.Queries == 0 {
		return unknown
	}
	return m.Value
}

// Means are those of the last queries, by which a query that waits is judged.
type Means struct {
	ServiceMS   Mean `json:"service_ms"`
	FunctionUSD Mean `json:"function_usd"`
	DeferMS     Mean `json:"defer_ms"`
}

// MeanServiceMS is what a query that waits takes on one runner of an instance
// type, as a queue does not report its queries' models: the mean over the queries
// that came, and before the first of them the mean over the catalogue's models.
// 0 when neither is known.
func MeanServiceMS(m Means, c *profile.Catalogue, instanceType string) float64 {
	return m.ServiceMS.Or(catalogueServiceMS(c, instanceType))
}

// RelativeServiceTime is how many times as long as the mean model of the catalogue the queries
// that came take on an instance type; 1 before the first of them, and where the catalogue does
// not say.
func RelativeServiceTime(m Means, c *profile.Catalogue, instanceType string) float64 {
	all := catalogueServiceMS(c, instanceType)
	if all == 0 {
		return 1
	}
	return m.ServiceMS.Or(all) / all
}

// catalogueServiceMS is the mean of the median service times of the models that
// have a network.
func catalogueServiceMS(c *profile.Catalogue, instanceType string) float64 {
	sum, n := 0.0, 0
	for i := range c.Models {
		m := &c.Models[i]
		if st, ok := c.OnVM(m, instanceType); ok && m.File != "" {
			sum += st.MS.P50
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}
