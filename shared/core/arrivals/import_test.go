package arrivals_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
)

func TestImport(t *testing.T) {
	for _, c := range []struct {
		format, text string
		step         time.Duration
		counts       []float64
	}{
		{"paragon", "second,count\n0,4\n1,3\n", time.Second, []float64{4, 3}},
		{"spock", "1,468,0,234\n2,649,2,325\n", time.Second, []float64{468, 649}},
		{"spock", "1,4,0,2\n3,5,0,2\n", time.Second, []float64{4, 0, 5}},
		{"limbo", "1800;2.5\n5400;4\n9000;1\n", time.Hour, []float64{9000, 14400, 3600}},
		{"timestamps", "TIMESTAMP,tokens\n2023-11-16 18:15:46.6805900,374\n2023-11-16 18:15:47.1,5\n2023-11-16 18:15:49.0,5\n", time.Second, []float64{1, 1, 0, 1}},
		{"timestamps", "10.2\n10.9\n12\n", time.Second, []float64{2, 0, 1}},
	} {
		got, _, err := arrivals.Import(arrivals.Source{Format: c.format}, strings.NewReader(c.text))
		if err != nil || got.Step != c.step || !slices.Equal(got.Counts, c.counts) {
			t.Errorf("%s: %+v, error %v", c.format, got, err)
		}
	}
}

func TestImportNamesTheLine(t *testing.T) {
	for _, c := range []struct{ format, text, want string }{
		{"spock", "1,4,0,2\n1,4,0,2\n", "line 2"},
		{"spock", "1,4\n", "line 1"},
		{"spock", "1,-4,0,2\n", "line 1"},
		{"limbo", "1;2\n2;2\n9;2\n", "line 3"},
		{"limbo", "1;2\n", "line 1"},
		{"timestamps", "10\n9\n8\n", "line 2"},
		{"timestamps", "10\nx\n", "line 2"},
		{"timestamps", "", "line 1"},
		{"magic", "", "magic"},
		{"paragon", "second,count" + strings.Repeat(",x", 1e6) + "\n", "line 1: is longer"},
		{"timestamps", "10\n11\n" + strings.Repeat("1", 2<<20), "line 3: is longer"},
		{"timestamps", "10\n\"11\n" + strings.Repeat("1\n", 1<<20), "line 2"},
		{"timestamps", "\xff\xfe1\x000\x00", "UTF-16"},
		{"timestamps", "id,tokens\n1,7\n", "line 1: no column of the header has the name of a time"},
		{"timestamps", "requests\n12\n", "line 1: no column of the header has the name of a time"},
		{"timestamps", "start_time,submit_time\n1,7\n", "line 1: several columns of the header have the name of a time"},
		{"timestamps", "req-1,2023-11-16 18:17:03\nreq-2,2023-11-16 18:17:04\n", "line 1: no column of the header has the name of a time"},
		{"timestamps", "1,2023-11-16,2023-11-17\n", "both contain dates"},
		{"timestamps", "app,func,end_timestamp,duration\na,f,79.9,1\n", "line 1: no column of the header has the name of a time"},
		{"timestamps", "date,time\n2023-11-16,18:17:03\n", "line 2"},
		{"timestamps", "id,timestamp\n1,10\n2\n", "line 3: has 1 columns"},
		{"timestamps", "2023-11-16 18:17:03\n2023-11-16 18:77:03\n", "line 2"},
		{"limbo", "load;time\n1;2\n2;2\n", "line 1: the first column of the header"},
	} {
		if _, _, err := arrivals.Import(arrivals.Source{Format: c.format}, strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.format, err, c.want)
		}
	}
}

// A file in any of the ways in which programs write CSV.
func TestImportReadsWhatProgramsWrite(t *testing.T) {
	for name, c := range map[string]struct {
		source arrivals.Source
		text   string
		counts []float64
		column string
	}{
		"a mark and no header":       {stamps(), "\ufeff2023-11-16 18:17:03.97,1\n2023-11-16 18:17:04.00,2\n2023-11-16 18:17:09.00,2\n", []float64{1, 1, 0, 0, 0, 0, 1}, "1"},
		"a mark before a quote":      {stamps(), "\ufeff\"TIMESTAMP\"\r\n\"10\"\r\n\"11\"\r\n", []float64{1, 1}, `"TIMESTAMP"`},
		"offsets":                    {stamps(), "TIMESTAMP,x\n2024-01-02 00:00:00.010000+00:00,100\n2024-01-02 00:00:01.2+00:00,200\n", []float64{1, 1}, `"TIMESTAMP"`},
		"other offsets":              {stamps(), "2024-01-02T01:00:00.0101Z\n\"2024-01-02T02:00:01,5+0100\"\n2024-01-02 03:30:02 +0230\n2024-01-01 20:00:03-05\n2024/01/02 01:00:04 UTC\n", []float64{1, 1, 1, 1, 1}, "1"},
		"many digits":                {stamps(), "2024-01-02T01:00:00.123456789123Z\n2024-01-02t01:00:00.9999999999z\n", []float64{2}, "1"},
		"minutes and days":           {stamps(), "2024-01-01\n2024-01-01 00:00\n2024-01-01 00:00:01\n", []float64{2, 1}, "1"},
		"an id first":                {stamps(), "id,timestamp\n1,2023-11-16 18:17:03\n2,2023-11-16 18:17:05\n", []float64{1, 0, 1}, `"timestamp"`},
		"an id first, no header":     {stamps(), "1,2023-11-16 18:17:03\n2,2023-11-16 18:17:05\n", []float64{1, 0, 1}, "2"},
		"other names of a time":      {stamps(), "requestId,responseTime,arrivalTimeMs\n1,5,1000\n2,6,3000\n", []float64{1, 0, 1}, `"arrivalTimeMs"`},
		"the likelier name":          {stamps(), "date,Timestamp\n2024-01-01,7\n2024-01-01,8\n", []float64{1, 1}, `"Timestamp"`},
		"a column by name":           {arrivals.Source{Format: "timestamps", Column: "when_it_came"}, "id,when_it_came\n7,10\n8,12\n", []float64{1, 0, 1}, `"when_it_came"`},
		"a column by number":         {arrivals.Source{Format: "timestamps", Column: "2"}, "7,10\n8,12\n", []float64{1, 0, 1}, "2"},
		"semicolons":                 {stamps(), "id;time\n1;10\n2;11\n", []float64{1, 1}, `"time"`},
		"tabs":                       {stamps(), "id\ttime\n1\t10\n2\t11\n", []float64{1, 1}, `"time"`},
		"commas and lines in quotes": {stamps(), "prompt,time\n\"one, two\nthree\",10\n\"a \"\"word\"\"\",11\n", []float64{1, 1}, `"time"`},
		"blank lines":                {stamps(), "\n time \n\n 10\n  \n11\n,\n\n", []float64{1, 1}, `"time"`},
		"milliseconds since 1970":    {stamps(), "1700000000999\n1700000001000\n", []float64{1, 1}, "1"},
		"microseconds since 1970":    {stamps(), "ts\n1700000000999999\n1700000001000000\n", []float64{1, 1}, `"ts"`},
		"nanoseconds since 1970":     {stamps(), "1700000000999999999\n1700000001000000000\n", []float64{1, 1}, "1"},
		"seconds and a fraction":     {stamps(), "1700000000.9999999\n1700000001.0\n", []float64{1, 1}, "1"},
		"a unit in the name":         {stamps(), "time (ms)\n0\n999.9\n1000\n", []float64{2, 1}, `"time (ms)"`},
		"a unit that was given":      {arrivals.Source{Format: "timestamps", Unit: "us"}, "0\n999999\n1000000\n", []float64{2, 1}, "1"},
		"numbers with an exponent":   {stamps(), "1e0\n2.5e0\n", []float64{1, 1}, "1"},
		"before zero":                {stamps(), "-1.5\n-1.2\n-0.5\n0.5\n", []float64{2, 1, 1}, "1"},
		"limbo with a mark":          {arrivals.Source{Format: "limbo"}, "\ufeff0.5;10\n1.5;12\n\n2.5;9\n", []float64{10, 12, 9}, "1"},
		"limbo with a header":        {arrivals.Source{Format: "limbo"}, "time,rate\n0.5,10\n1.5,12\n", []float64{10, 12}, `"time"`},
		"spock with a mark":          {arrivals.Source{Format: "spock"}, "\ufeff1, 4, 0, 2\r\n\r\n2, 5, 0, 2\r\n", []float64{4, 5}, "1"},
		"paragon with blank lines":   {arrivals.Source{Format: "paragon"}, "\ufeff\n\"second\",\"count\"\n0,5\n\n1,6\n\n", []float64{5, 6}, `"second"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, u, err := arrivals.Import(c.source, strings.NewReader(c.text))
			if err != nil || got.Step != time.Second || !slices.Equal(got.Counts, c.counts) || u.Column != c.column {
				t.Errorf("%+v, understood as %v, error %v", got, u, err)
			}
		})
	}
}

func stamps() arrivals.Source { return arrivals.Source{Format: "timestamps"} }

func TestImportRefusesColumnsThatAreNot(t *testing.T) {
	const text = "id,time\n1,10\n"
	for want, s := range map[string]arrivals.Source{
		`no column "when"`: {Format: "timestamps", Column: "when"},
		"no column 3":      {Format: "timestamps", Column: "3"},
		"no column 0":      {Format: "timestamps", Column: "0"},
		`unit "days"`:      {Format: "timestamps", Unit: "days"},
		"not for paragon":  {Format: "paragon", Column: "time"},
		"not for limbo":    {Format: "limbo", Unit: "ms"},
	} {
		if _, _, err := arrivals.Import(s, strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q in it", s, err, want)
		}
	}
	if _, _, err := arrivals.Import(arrivals.Source{Format: "timestamps", Column: "time"}, strings.NewReader("1,10\n")); err == nil {
		t.Error("a name without a header was found")
	}
}

func TestImportSaysWhatItUnderstood(t *testing.T) {
	_, u, err := arrivals.Import(stamps(), strings.NewReader("id,timestamp\n1,1700000000999\n2,1700000003000\n"))
	want := arrivals.Understood{Format: "timestamps", Column: `"timestamp"`, Unit: "ms", Rows: 2, First: "1700000000999", Last: "1700000003000"}
	if err != nil || u != want {
		t.Errorf("understood %+v, error %v", u, err)
	}
	for _, part := range []string{"timestamps", `"timestamp"`, "ms", "2 rows", u.First, u.Last} {
		if !strings.Contains(u.String(), part) {
			t.Errorf("%s does not say %s", u, part)
		}
	}
}

// A trace of any step is written so that it reads as the same rate.
func TestWriteKeepsTheRate(t *testing.T) {
	for step, want := range map[time.Duration]time.Duration{
		5 * time.Minute: time.Minute, 24 * time.Hour: time.Hour, 90 * time.Second: time.Second, time.Second / 2: time.Second, 1500 * time.Millisecond: time.Second,
		time.Second: time.Second, time.Minute: time.Minute, time.Hour: time.Hour,
	} {
		rapid.Check(t, func(t *rapid.T) {
			tr := arrivals.Trace{Step: step, Counts: rapid.SliceOfN(rapid.Float64Range(0, 1e4), 1, 9).Draw(t, "counts")}
			var b strings.Builder
			if err := tr.Write(&b); err != nil {
				t.Fatal(err)
			}
			got, err := arrivals.ReadTrace(strings.NewReader(b.String()))
			if err != nil || got.Step != want || tr.WrittenStep() != want {
				t.Fatalf("read %+v, error %v", got, err)
			}
			if math.Abs(got.Total()-tr.Total()) > 1e-6*(1+tr.Total()) || got.Duration()-tr.Duration() >= want || got.Duration() < tr.Duration() {
				t.Fatalf("%+v written as %+v", tr, got)
			}
			for i, c := range got.Counts {
				if k := int(time.Duration(i) * got.Step / tr.Step); step > want && step%want == 0 && math.Abs(c/got.Step.Seconds()-tr.Counts[k]/tr.Step.Seconds()) > 1e-6 {
					t.Fatalf("step %d has %v of %+v", i, c, tr)
				}
			}
		})
	}
}
