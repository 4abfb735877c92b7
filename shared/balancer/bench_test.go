package balancer

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkForward sends bodies on one connection, straight to a worker on TCP
// and through the balancer to one on a unix socket. The caller writes and reads
// bytes, so that its own cost is small.
func BenchmarkForward(b *testing.B) {
	trivial := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"label":1}`)
	})
	for _, n := range []int{1 << 10, 602112} {
		for _, through := range []bool{false, true} {
			b.Run(fmt.Sprintf("bytes=%d/balancer=%v", n, through), func(b *testing.B) {
				bal, server := front(b, Options{Fallback: trivial, Header: "X-Paragon-Owner",
					HeaderValue: func(*http.Request) string { return "local" }})
				if through {
					bal.SetTargets([]Target{startWorker(b, "a", trivial).target()})
				}
				conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close()
				ask(b, conn, n)
			})
		}
	}
}

func ask(b *testing.B, conn net.Conn, n int) {
	request := append([]byte(lines("POST /v1/queries HTTP/1.1", "Host: localhost", "Content-Type: application/octet-stream",
		"Authorization: Bearer x", fmt.Sprint("Content-Length: ", n))), pattern(n)...)
	answers := bufio.NewReader(conn)
	took := make([]time.Duration, 0, 1<<16)
	b.ReportAllocs()
	began := cpu()
	for b.Loop() {
		at := time.Now()
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		took = append(took, time.Since(at))
	}
	b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N), "cpu-us/op")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

// cpu is the processor time of this process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
