package measure

import "math"

// Wilson is the 95 % confidence interval of a share of which correct of total were
// counted, from 0 to 1 (E. B. Wilson, JASA 22, 1927): unlike the usual interval it is
// right near 0 and 1 too. E.g. 95 of 100 give 0.888 to 0.978.
func Wilson(correct, total int) (low, high float64) {
	if total == 0 {
		return 0, 1
	}
	const z = 1.959963984540054
	n, p := float64(total), float64(correct)/float64(total)
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, middle-half), min(1, middle+half)
}
