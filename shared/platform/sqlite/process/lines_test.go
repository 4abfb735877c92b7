package process

import (
	"io"
	"testing"
)

// The last words of a process that crashed are the first line of the crash, and not the
// registers at its end.
func TestTheLastWordsOfACrashAreItsFirstLine(t *testing.T) {
	for output, want := range map[string]string{
		"loading\nSIGFPE: floating-point exception\nPC=0x7f m=3\n\ngoroutine 1:\ngs     0x0\n": "SIGFPE: floating-point exception",
		"panic: no model\n\ngoroutine 1 [running]:\n":                                          "panic: no model",
		"one\ntwo\n": "two",
		"":           "",
	} {
		l := &lines{name: "w-1"}
		if _, err := io.WriteString(l, output); err != nil {
			t.Fatal(err)
		}
		if l.flush(); l.last != want {
			t.Errorf("%q: %q, want %q", output, l.last, want)
		}
	}
}
