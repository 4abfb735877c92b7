package sqlite

import (
	"fmt"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// BenchmarkInputs sends, receives and deletes a message with its input.
func BenchmarkInputs(b *testing.B) {
	for _, n := range []int{700, 4 << 10, 64 << 10, 602112} {
		for _, over := range []string{"direct", "loopback"} {
			b.Run(fmt.Sprintf("bytes=%d/%s", n, over), func(b *testing.B) {
				h := open(b, Options{})
				c := h.Platform()
				if over == "loopback" {
					c = child(b, h)
				}
				b.ReportAllocs()
				spread(b, 4, func(i int) error { return passOn(b, c, fmt.Sprint(i), n) })
			})
		}
	}
}

func passOn(b *testing.B, c platform.Backend, id string, n int) error {
	m := query.Message{ID: id, Input: query.Input{ContentType: "image/png", Data: make([]byte, n)}}
	if err := c.Queues.Send(b.Context(), queue, m); err != nil {
		return err
	}
	ds, err := c.Queues.Receive(b.Context(), queue, 1, time.Minute, time.Minute)
	if err != nil || len(ds) != 1 || len(ds[0].Message.Input.Data) != n {
		return fmt.Errorf("received %d: %w", len(ds), err)
	}
	return c.Queues.Delete(b.Context(), ds...)
}
