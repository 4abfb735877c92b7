package pricing

import (
	"fmt"
	"math"
	"strings"
)

// Dollars writes an amount to the cent, and one below a dollar with three digits
// that matter.
func Dollars(usd float64) string {
	size := math.Abs(usd)
	if size == 0 || size >= 1 || math.IsNaN(usd) {
		return strings.Replace(fmt.Sprintf("$%.2f", usd), "$0.00", "$0", 1)
	}
	return fmt.Sprintf("$%.*f", int(2-math.Floor(math.Log10(size))), usd)
}
