package pricing

// Line is one part of a bill: how often something is paid for, at which price.
type Line struct {
	Name string `json:"name"`
	// Count is of a million queries, or of a month where the part is fixed.
	Count   float64 `json:"count"`
	Unit    string  `json:"unit"`
	UnitUSD float64 `json:"unit_usd"`
	USD     float64 `json:"usd"`
}

func newLine(name string, count float64, unit string, unitUSD float64) Line {
	return Line{Name: name, Count: count, Unit: unit, UnitUSD: unitUSD, USD: count * unitUSD}
}

// Sum adds lines up, in US dollars.
func Sum(lines []Line) (usd float64) {
	for _, l := range lines {
		usd += l.USD
	}
	return usd
}

const (
	// hoursPerMonth is a twelfth of a year.
	hoursPerMonth = 730
	// SecondsPerMonth are those of HoursPerMonth.
	SecondsPerMonth = hoursPerMonth * 3600
	million         = 1e6
	kbOfGB          = 1 << 20
)

// CountOf is the count of a line by its name, 0 where there is none.
func CountOf(lines []Line, name string) float64 {
	for _, l := range lines {
		if l.Name == name {
			return l.Count
		}
	}
	return 0
}
