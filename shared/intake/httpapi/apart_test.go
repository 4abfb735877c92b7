package httpapi

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
)

// A body with long data is read as every other, whatever is wrong with it.
func TestLongDataIsReadAsAnyOther(t *testing.T) {
	long := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("pixels", 1000)))
	other := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("raster", 1000)))
	for name, tc := range map[string]struct {
		body  string
		apart bool
	}{
		"data":                          {`{"task":"t","input":{"content_type":"image/png","data":"` + long + `"},"explain":true}`, true},
		"data first":                    {` {"input": {"data":"` + long + `" , "content_type":"image/png"} , "constraints":{"latency_ms":5}} `, true},
		"short data":                    {`{"input":{"data":"cGl4ZWxz"}}`, false},
		"no data":                       {`{"task":"t"}`, false},
		"data with an escape":           {`{"input":{"data":"` + long + `\u0041AAA"}}`, false},
		"an escape before it":           {`{"task":"\u0041","input":{"data":"` + long + `"}}`, false},
		"an escape behind it":           {`{"input":{"data":"` + long + `"},"task":"\u0041"}`, false},
		"an escaped quote":              {`{"task":"\"","input":{"data":"` + long + `"}}`, false},
		"not base64":                    {`{"input":{"data":"` + long + `*"}}`, false},
		"not padded":                    {`{"input":{"data":"` + long + `A"}}`, false},
		"a line end":                    {`{"input":{"data":"` + long + "\n" + `"}}`, false},
		"a carriage return":             {`{"input":{"data":"` + long + "\r" + `"}}`, false},
		"data twice":                    {`{"input":{"data":"` + long + `","data":"` + other + `"}}`, false},
		"data and a URI":                {`{"input":{"data":"` + long + `","uri":"u"}}`, true},
		"data and text":                 {`{"input":{"data":"` + long + `","text":"x"}}`, false},
		"data and tensors":              {`{"input":{"data":"` + long + `","tensors":[]}}`, false},
		"long text":                     {`{"input":{"text":"` + long + `"}}`, false},
		"a long task":                   {`{"task":"` + long + `","input":{"data":"` + other + `"}}`, false},
		"a long name":                   {`{"` + long + `":1}`, false},
		"a long unknown member":         {`{"x":"` + long + `"}`, false},
		"the placeholder as data":       {`{"input":{"data":"` + placeholder + `"}}`, false},
		"the placeholder as a task":     {`{"task":"` + placeholder + `","input":{"data":"` + long + `"}}`, false},
		"the placeholder as long input": {`{"task":"` + long + `","input":{"data":"` + placeholder + `"}}`, false},
		"cut off":                       {`{"input":{"data":"` + long, false},
		"cut off behind it":             {`{"input":{"data":"` + long + `"`, false},
		"more behind it":                {`{"input":{"data":"` + long + `"}} x`, false},
		"too deep":                      {`{"input":{"data":"` + long + `"},"task":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, false},
		"a list in its place":           {`{"input":{"data":["` + long + `"]}}`, false},
	} {
		body := []byte(tc.body)
		want, wantErr := decodeWith(body, nil)
		got, err := decodeRequest(body)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(err, wantErr) {
			t.Errorf("%s: got %.80v, error %v, want %.80v, error %v", name, got, err, want, wantErr)
		}
		if _, apart := decodeApart(body); apart != tc.apart {
			t.Errorf("%s: decoded apart: %v", name, apart)
		}
		if string(body) != tc.body {
			t.Errorf("%s: the body was changed", name)
		}
	}
}

// A list is read the same whether it is split first or not.
func TestAListIsSplitAsItIsRead(t *testing.T) {
	long := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("pixels", 1000)))
	one, two := `{"task":"a","input":{"data":"`+long+`"}}`, ` {"task":"b","input":{"data":"cGl4ZWxz"},"constraints":{"latency_ms":5,"accuracy":90}} `
	for name, tc := range map[string]struct {
		body  string
		split bool
	}{
		"two":                      {`[` + one + `,` + two + `]`, true},
		"one":                      {"\n[" + one + "\n]\n", true},
		"commas and brackets":      {`[{"task":"],[{"},` + two + `]`, true},
		"none":                     {`[]`, false},
		"nothing behind a comma":   {`[` + one + `,]`, false},
		"nothing before a comma":   {`[,` + one + `]`, false},
		"two commas":               {`[` + one + `,,` + two + `]`, false},
		"no comma":                 {`[` + one + two + `]`, false},
		"null":                     {`[null,` + two + `]`, false},
		"a number":                 {`[` + one + `,1]`, false},
		"one that is wrong":        {`[` + one + `,{"task":1}]`, false},
		"an escape":                {`[{"task":"\u0041"},` + one + `]`, false},
		"an escaped quote":         {`[{"task":"\"]"},` + one + `]`, false},
		"cut off":                  {`[` + one, false},
		"cut off in a string":      {`[` + one + `,{"task`, false},
		"ended by another bracket": {`[` + one + `}`, false},
		"brackets crossed":         {`[{"task":"a"]}`, false},
		"more behind it":           {`[` + one + `] x`, false},
		"another list behind it":   {`[` + one + `][` + two + `]`, false},
		"no-break space behind it": {`[` + one + "]\u00a0", false},
		"a list in it":             {`[[` + one + `]]`, false},
		"too deep":                 {`[{"input":{"tensors":` + strings.Repeat("[", 10) + strings.Repeat("]", 10) + `}}]`, false},
		"too many":                 {`[` + strings.Repeat(two+",", maxItems) + two + `]`, false},
	} {
		body := []byte(tc.body)
		want, wantErr := decodeWhole(body)
		got, err := decodeList(body)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(err, wantErr) {
			t.Errorf("%s: got %.80v, error %v, want %.80v, error %v", name, got, err, want, wantErr)
		}
		if _, split := decodeItems(body); split != tc.split {
			t.Errorf("%s: split: %v", name, split)
		}
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	body := []byte(`{"task":"t","input":{"content_type":"image/png","data":"` + base64.StdEncoding.EncodeToString(make([]byte, 256<<10)) + `"}}`)
	for name, decode := range map[string]func() error{
		"apart":      func() error { _, err := decodeRequest(body); return err },
		"by decoder": func() error { _, err := decodeWith(body, nil); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := decode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
