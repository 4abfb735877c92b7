package main

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"paragon/cmd/internal/cli"
	"paragon/cmd/paragon/machine"
	"paragon/shared/client"
	"paragon/shared/core/query"
)

// samplePicture is the picture that a newcomer's first answer is about.
const samplePicture = "0000-ankle-boot.png"

// answerSample puts a picture through the API, as any caller would, and tells
// what to try next.
func answerSample(ctx context.Context, term *cli.Terminal, m *machine.Machine) error {
	data, err := fs.ReadFile(m.Samples(), samplePicture)
	if err != nil {
		return fmt.Errorf("read the sample picture: %w", err)
	}
	c, err := client.New(client.Config{Endpoint: m.URL()})
	if err != nil {
		return err
	}
	q, err := c.Submit(ctx, client.Submission{
		Task: "fashion", Class: query.Strict, Input: query.Input{ContentType: "image/png", Data: data},
		Constraints: query.Constraints{LatencyMS: 1000, Accuracy: 90},
	}, client.Options{Wait: 10 * time.Second})
	if err != nil {
		return fmt.Errorf("submit the sample picture: %w", err)
	}
	if q, err = c.Await(ctx, q, 10*time.Second); err != nil {
		return fmt.Errorf("wait for the sample's answer: %w", err)
	}
	if q.Result == nil {
		return fmt.Errorf("the sample picture was not answered: %s: %+v", q.State, q.Failure)
	}
	fmt.Fprintf(term.Err, `
A first picture, %s, was answered in %.0f ms: %s (%.1f %% sure), by %s on a %s.

Try, in another terminal:
  bin/paragon submit --endpoint %[7]s --task fashion --latency-ms 500 profiles/fashion/testdata/*.png
  bin/paragon get --endpoint %[7]s %[8]s
  bin/paragon status --endpoint %[7]s
or open %[7]s in a browser. Ctrl-C stops it.
`, samplePicture, orZero(q.LatencyMS), q.Result.Label, 100*q.Result.Best(), q.Model, q.ServedBy.Kind, m.URL(), q.ID)
	return nil
}
