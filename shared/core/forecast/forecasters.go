package forecast

// Last expects the last value again.
type Last struct{}

// Name returns "last".
func (Last) Name() string { return "last" }

// Expect returns the last value.
func (Last) Expect(past []float64, _ int) float64 {
	if len(past) == 0 {
		return 0
	}
	return max(0, past[len(past)-1])
}

// MovingAverage expects the mean of the last steps.
type MovingAverage struct{ Steps int }

// Name returns "moving_average".
func (MovingAverage) Name() string { return "moving_average" }

// Expect returns the mean of the last steps.
func (m MovingAverage) Expect(past []float64, _ int) float64 {
	return max(0, mean(tail(past, m.Steps)))
}

// EWMA expects an exponentially weighted mean.
type EWMA struct{ Alpha float64 } // the newest value's weight

// memory bounds how many values a recursive forecaster goes back: what is
// older weighs less than rounding does.
const memory = 48

// Name returns "ewma".
func (EWMA) Name() string { return "ewma" }

// Expect returns the weighted mean.
func (f EWMA) Expect(past []float64, _ int) float64 {
	past = tail(past, memory)
	if len(past) == 0 {
		return 0
	}
	level := past[0]
	for _, v := range past[1:] {
		level += f.Alpha * (v - level)
	}
	return max(0, level)
}

// HoltWinters follows a level and a damped trend, and no season: an hour of
// history holds none of a day.
type HoltWinters struct{ Alpha, Beta, Damping float64 }

// Name returns "holt_winters".
func (HoltWinters) Name() string { return "holt_winters" }

// Expect extends the level by its damped trend.
func (f HoltWinters) Expect(past []float64, ahead int) float64 {
	past = tail(past, memory)
	if len(past) == 0 {
		return 0
	}
	level, trend := past[0], 0.0
	for _, v := range past[1:] {
		before := level
		level = f.Alpha*v + (1-f.Alpha)*(level+f.Damping*trend)
		trend = f.Beta*(level-before) + (1-f.Beta)*f.Damping*trend
	}
	factor, sum := 1.0, 0.0
	for range ahead {
		factor *= f.Damping
		sum += factor
	}
	return max(0, level+trend*sum)
}

// LinearRegression extends the line of least squares through the last steps.
type LinearRegression struct{ Steps int }

// Name returns "linear_regression".
func (LinearRegression) Name() string { return "linear_regression" }

// Expect extends the line.
func (f LinearRegression) Expect(past []float64, ahead int) float64 {
	past = tail(past, f.Steps)
	if len(past) < 2 {
		return max(0, mean(past))
	}
	mid, centre := float64(len(past)-1)/2, mean(past)
	var xy, xx float64
	for i, v := range past {
		x := float64(i) - mid
		xy += x * (v - centre)
		xx += x * x
	}
	return max(0, centre+xy/xx*(float64(len(past)-1+ahead)-mid))
}

// ShortAverage expects the mean of the last six steps: of a minute, in steps of
// ten seconds.
type ShortAverage struct{}

// Name returns "short_average".
func (ShortAverage) Name() string { return "short_average" }

// Expect returns the mean of the last six steps.
func (ShortAverage) Expect(past []float64, ahead int) float64 {
	return MovingAverage{Steps: 6}.Expect(past, ahead)
}

func tail(past []float64, n int) []float64 { return past[max(0, len(past)-n):] }

func mean(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
