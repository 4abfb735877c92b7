package sizing

import "github.com/paragon-serving/paragon/shared/core/profile"

const (
	// HangMS is for how long a run may go on, in milliseconds, beyond what it should take at
	// most.
	HangMS = 2000
	// slowest is how many times its profile's p99 a run should take at most: on a busy
	// machine runs are slow and do not hang.
	slowest = 4
)

// HangsAfterMS is after how many milliseconds a run with that p99 counts as hung.
func HangsAfterMS(p99MS float64) float64 { return HangMS + slowest*p99MS }

// FunctionHangsAfterMS is HangsAfterMS of a model's slowest inference function, when it must
// be started first; HangMS where no function holds the model.
func FunctionHangsAfterMS(c *profile.Catalogue, m *profile.Model, arch string) float64 {
	p99MS := 0.0
	for _, h := range FunctionsThatHold(c, m, arch) {
		p99MS = max(p99MS, h.MS.P99+h.ColdMS.P99)
	}
	return HangsAfterMS(p99MS)
}
