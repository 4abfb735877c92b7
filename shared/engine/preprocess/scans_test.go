package preprocess

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"
)

func TestCountScans(t *testing.T) {
	baseline := encodeJPEG(t, paint(64, 64, ramp))
	progressive, err := os.ReadFile("testdata/progressive.jpg")
	if err != nil {
		t.Fatal(err)
	}
	hidden := slices.Concat(baseline[:2], []byte("\xff\xfe\x00\x08\xff\xda\xff\xda\xff\xda"), baseline[2:])
	for _, c := range []struct {
		name string
		data []byte
		want int
	}{
		{"baseline", baseline, 1},
		{"progressive", progressive, 10},
		{"in a comment", hidden, 1},
		{"after the end", append(slices.Clone(baseline), "\xff\xda\x00\x02\xff\xda"...), 1},
		{"after fill bytes", []byte("\xff\xd8\xff\xff\xff\xda\x00\x02\x12\xff\x00\xff\xd3\xff\xda\x00\x02"), 2},
		{"cut short", []byte("\xff\xd8\xff\xda\x00"), 1},
		{"a length of nothing", []byte("\xff\xd8\xff\xda\x00\x00\xff\xda\xff\xff"), 2},
		{"no marker", []byte("\xff\xd8\xff"), 0},
		{"empty", nil, 0},
	} {
		if got := countScans(c.data); got != c.want {
			t.Errorf("%s: %d scans, want %d", c.name, got, c.want)
		}
	}
}

// A JPEG that asks for thousands of passes is refused without making them.
func TestTooManyScans(t *testing.T) {
	progressive, err := os.ReadFile("testdata/progressive.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(JPEG, progressive, rgb, Limits{}); err != nil {
		t.Fatalf("as it is: %v", err)
	}
	end := bytes.LastIndex(progressive, []byte("\xff\xda"))
	last := progressive[end : len(progressive)-2] // the last scan, without the end of the picture
	hostile := slices.Concat(progressive[:end], bytes.Repeat(last, maxScans), []byte("\xff\xd9"))
	_, err = Decode(JPEG, hostile, rgb, Limits{})
	var in *InputError
	if !errors.As(err, &in) || in.Reason != "picture of 73 scans is above the limit of 64" {
		t.Errorf("%v", err)
	}
}
