// Package figures makes the paper's figures from a catalogue: the data as
// rows, the plots, and what is found in them compared with what the paper found.
package figures

import (
	"encoding/csv"
	"fmt"
	"io"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Figure is one figure of the paper.
type Figure struct {
	Name     string // of its files, such as "figure-3"
	Title    string
	Columns  []string
	Rows     [][]string
	Panels   []Panel
	Findings []Finding
}

// Finding is what the paper says and whether it holds here.
type Finding struct {
	Claim  string `json:"claim"`
	Holds  bool   `json:"holds"`
	Detail string `json:"detail"`
}

// Panel is one plot of a figure.
type Panel struct {
	Title, X, Y string
	LogX, LogY  bool
	Series      []Series
	Lines       []Line // across the panel
}

// Series are points of one name, joined by lines when Joined. Of a Pair two
// that follow each other share a color.
type Series struct {
	Name   string
	Joined bool
	Pair   bool
	Points []Point
}

// Point is one point, with a label next to it when there is one.
type Point struct {
	X, Y  float64
	Label string
}

// Line is a bound: horizontal at Y, or vertical at X where Vertical.
type Line struct {
	At       float64
	Vertical bool
	Label    string
}

// Inputs are what the figures are made from.
type Inputs struct {
	Catalogue *profile.Catalogue
	// Then are the prices of the paper's time, to say where today's change a finding.
	Then profile.Prices
}

// then is the catalogue at the prices of the paper's time.
func (in Inputs) then() *profile.Catalogue {
	c := *in.Catalogue
	c.Prices = in.Then
	return &c
}

// Names are the figures that this package makes: the paper's by number.
func Names() []string { return []string{"1", "2", "3", "7", "workload2"} }

// Make makes a figure by its name.
func Make(name string, in Inputs) (Figure, error) {
	switch name {
	case "1":
		return latencyAndAccuracy(in)
	case "2":
		return isoSets(in)
	case "3":
		return machinesAndFunctions(in)
	case "7":
		return memory(in)
	case "workload2":
		return Workload2(in)
	}
	return Figure{}, fmt.Errorf("there is no figure %q here, only %v", name, Names())
}

// CSV writes the rows.
func (f Figure) CSV(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := c.Write(f.Columns); err != nil {
		return fmt.Errorf("write %s: %w", f.Name, err)
	}
	if err := c.WriteAll(f.Rows); err != nil {
		return fmt.Errorf("write %s: %w", f.Name, err)
	}
	return nil
}

func text(x float64) string { return fmt.Sprintf("%.6g", x) }
