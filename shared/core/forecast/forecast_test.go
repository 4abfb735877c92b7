package forecast_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/forecast"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

func series(n int, f func(i int) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

func TestWhatEachForecasterIsRightAbout(t *testing.T) {
	flat := series(100, func(int) float64 { return 7 })
	line := series(100, func(i int) float64 { return 3 + 2*float64(i) })
	for _, c := range []struct {
		name   string
		past   []float64
		ahead  int
		want   float64
		within float64
	}{
		{"last", line, 5, 201, 0},
		{"moving_average", flat, 5, 7, 1e-9},
		{"moving_average", line, 5, 184, 1e-9},
		{"ewma", flat, 9, 7, 1e-9},
		{"holt_winters", flat, 9, 7, 1e-9},
		{"linear_regression", line, 10, 221, 1e-6},
		{"short_average", line, 5, 196, 1e-9},
	} {
		b, err := forecast.Ahead(c.name, c.past, c.ahead, 30)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(b.Expected-c.want) > c.within || b.By != c.name {
			t.Errorf("%s: expects %v, want %v", c.name, b.Expected, c.want)
		}
	}
}

func TestAutoTakesTheLeastError(t *testing.T) {
	line := series(200, func(i int) float64 { return float64(i) })
	for _, c := range []struct {
		past []float64
		want string
	}{{line, "linear_regression"}, {series(90, func(int) float64 { return 4 }), "last"}} {
		b, err := forecast.Ahead(forecast.Auto, c.past, 10, 60)
		if err != nil || b.By != c.want {
			t.Errorf("auto took %s (error %v), want %s", b.By, err, c.want)
		}
		for _, name := range forecast.Names()[1:] {
			if o, _ := forecast.Ahead(name, c.past, 10, 60); o.MAE < b.MAE {
				t.Errorf("auto's error is %v, that of %s %v", b.MAE, name, o.MAE)
			}
		}
	}
}

func TestUnknownForecaster(t *testing.T) {
	if _, err := forecast.Ahead("oracle", nil, 1, 1); err == nil {
		t.Error("an unknown forecaster was taken")
	}
}

// Whatever the past, a forecast is a number of at least 0, leaves the past as
// it is, looks at nothing after it, and its quantiles rise.
func TestForecastInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		past := rapid.SliceOfN(rapid.Float64Range(0, 1e6), 0, 120).Draw(t, "past")
		ahead := rapid.IntRange(1, 20).Draw(t, "ahead")
		name := rapid.SampledFrom(forecast.Names()).Draw(t, "name")
		before := slices.Clone(past)
		b, err := forecast.Ahead(name, past, ahead, 40)
		if err != nil || !slices.Equal(past, before) {
			t.Fatalf("error %v, or the past was changed", err)
		}
		last := 0.0
		for q := 0.0; q <= 1; q += 0.1 {
			v := b.Quantile(q)
			if math.IsNaN(v) || v < last {
				t.Fatalf("%s: quantile %v is %v after %v", name, q, v, last)
			}
			last = v
		}
		if !(b.Expected >= 0) || !(b.MAE >= 0) {
			t.Fatalf("%s expects %v with an error of %v", name, b.Expected, b.MAE)
		}
	})
}

func BenchmarkAuto(b *testing.B) {
	past := series(360, func(i int) float64 { return 100 + 10*math.Sin(float64(i)/9) })
	b.ReportAllocs()
	for b.Loop() {
		_, _ = forecast.Ahead(forecast.Auto, past, 16, 60)
	}
}

// The settings name exactly the forecasters there are, and each is one of its
// own: no two predict the same for a load that moves.
func TestEveryForecasterOfTheSettingsIsItsOwn(t *testing.T) {
	f, ok := settings.Lookup("forecaster")
	if !ok || !slices.Equal(slices.Sorted(slices.Values(f.OneOf)), slices.Sorted(slices.Values(forecast.Names()))) {
		t.Fatalf("settings name %v, there are %v", f.OneOf, forecast.Names())
	}
	past := series(200, func(i int) float64 { return 50 + 20*math.Sin(float64(i)/9) + float64(i*i%17) })
	by := map[float64]string{}
	for _, name := range forecast.Names()[1:] {
		b, err := forecast.Ahead(name, past, 10, 30)
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := by[b.Expected]; taken {
			t.Errorf("%s and %s both expect %v", name, other, b.Expected)
		}
		by[b.Expected] = name
	}
}
