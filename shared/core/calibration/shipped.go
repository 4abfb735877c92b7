package calibration

import "time"

// Shipped are the runs that were recorded on the machine on which Paragon is
// made, two cores, and compared with their simulation: three traces five times,
// the last at a time scale of 10 and the others of 20. docs/lab/calibration.md
// has the method.
var Shipped = Report{
	At: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Version: "0.1.0", Scheme: "paragon", Catalogue: "fashion", TimeScale: 20,
	Runs: []Run{
		{Trace: "flash crowd", CostErrorPercent: -3.7, WorkersErrorPercent: 0.3}, {Trace: "day", CostErrorPercent: -2.0, WorkersErrorPercent: -0.2}, {Trace: "rush hours", CostErrorPercent: -2.2, WorkersErrorPercent: 3.2},
		{Trace: "flash crowd", CostErrorPercent: -1.8, WorkersErrorPercent: 2.1}, {Trace: "day", CostErrorPercent: -2.7, WorkersErrorPercent: -1.0}, {Trace: "rush hours", CostErrorPercent: 0.9, WorkersErrorPercent: 5.5},
		{Trace: "flash crowd", CostErrorPercent: -4.8, WorkersErrorPercent: -2.0}, {Trace: "day", CostErrorPercent: -1.3, WorkersErrorPercent: 1.4}, {Trace: "rush hours", CostErrorPercent: -3.7, WorkersErrorPercent: -0.5},
		{Trace: "flash crowd", CostErrorPercent: -3.5, WorkersErrorPercent: -1.3}, {Trace: "day", CostErrorPercent: -4.8, WorkersErrorPercent: -3.1}, {Trace: "rush hours", CostErrorPercent: -5.1, WorkersErrorPercent: 0.1},
		{Trace: "flash crowd", CostErrorPercent: -2.7, WorkersErrorPercent: -2.3}, {Trace: "day", CostErrorPercent: 2.4, WorkersErrorPercent: 3.1}, {Trace: "rush hours", CostErrorPercent: 5.4, WorkersErrorPercent: 6.9},
	},
}
