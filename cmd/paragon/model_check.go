package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/modelcheck"
	"github.com/paragon-serving/paragon/shared/modelstore"
)

// newModelCheckCommand is what a machine starts to check a model: it reads a request
// from its input and prints the report. Whatever the model does, it does here.
func newModelCheckCommand(term *cli.Terminal) *cobra.Command {
	return &cobra.Command{
		Use: "model-check FILE", Short: "Check a model in this process", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var r modelcheck.Request
			if err := json.NewDecoder(term.In).Decode(&r); err != nil {
				return fmt.Errorf("read the request: %w", err)
			}
			onnx, err := readModel(args[0], modelstore.MaxONNXBytes)
			if err != nil {
				return err
			}
			report, err := modelcheck.Run(c.Context(), onnx, r)
			if err != nil {
				return err
			}
			return json.NewEncoder(term.Out).Encode(report)
		},
	}
}

// sizeText is a file's size in the units of the limits, which are powers of two.
func sizeText(bytes int64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

// readModel reads a model's file of at most limit bytes.
func readModel(file string, limit int64) ([]byte, error) {
	if err := checkFile(file, limit); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// checkFile reports why there is no file of at most limit bytes.
func checkFile(file string, limit int64) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("%s is a folder, not a file", file)
	}
	if info.Size() > limit {
		return fmt.Errorf("%s has %s; at most %s are allowed", file, sizeText(info.Size()), sizeText(limit))
	}
	return nil
}
