package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/measure"
)

func printProfile(term *cli.Terminal, r measure.Report) error {
	term.Printf("%s, load average %.1f, %s clock, %s\n\n", r.Hardware, r.LoadAverage, r.Clock, runtime.Version())
	w := term.Table()
	w.Header("MODEL\tAT\tTHREADS\tBATCH\tCALLERS\tP50 MS\tP95 MS\tP99 MS\tP99 95 % CI\tPER SECOND\tCOLD P50 MS\tMEMORY\tSAMPLES")
	for _, m := range r.Models {
		for _, l := range m.Latency {
			cold, memory, rate := "", "", ""
			if l.ColdMS != nil {
				cold = fmt.Sprintf("%.1f", l.ColdMS.P50)
			}
			if m.MemoryMB > 0 && l.ColdMS != nil {
				memory = fmt.Sprintf("%d MB", m.MemoryMB)
			}
			if l.PerSecond > 0 {
				rate = fmt.Sprintf("%.0f", l.PerSecond)
			}
			ci := profile.Interval{}
			if l.Confidence != nil {
				ci = l.Confidence.P99
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%.4f\t%.4f\t%.4f\t%.4f-%.4f\t%s\t%s\t%s\t%d\n", m.Name, at(l), l.Threads, l.Batch,
				max(l.Concurrency, 1), l.MS.P50, l.MS.P95, l.MS.P99, ci[0], ci[1], rate, cold, memory, l.Source.Samples)
		}
	}
	return w.Flush()
}

// at says what a figure stands for: this machine, or a function of some memory.
func at(l profile.Latency) string {
	if l.MemoryMB > 0 {
		return fmt.Sprintf("%d MB", l.MemoryMB)
	}
	return "here"
}

// errDrift is the end of a comparison that found some.
var errDrift = errors.New("the measurements differ from those in the file of --compare: measure again and write a new file with --out, or find out why")

func compareProfiles(term *cli.Terminal, file string, report measure.Report) error {
	old, err := measure.ReadReport(file)
	if err != nil {
		return err
	}
	drifts := measure.Compare(old, report)
	sure := slices.ContainsFunc(drifts, func(d measure.Drift) bool { return d.Sure })
	if term.JSON {
		term.PrintJSON(drifts)
	} else {
		w := term.Table()
		w.Header("MODEL\tSETTING\tWAS MS\tIS MS\tCHANGE\t")
		for _, d := range drifts {
			mark := ""
			if d.Sure {
				mark = "drift"
			}
			fmt.Fprintf(w, "%s\t%s\t%.4f\t%.4f\t%+.1f %%\t%s\n", d.Model, d.Setting, d.Was, d.Is, d.Percent, mark)
		}
		if err := w.Flush(); err != nil {
			return fmt.Errorf("print the comparison: %w", err)
		}
	}
	if sure {
		return errDrift
	}
	return nil
}
