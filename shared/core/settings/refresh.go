package settings

import "time"

// Reader is a kind of process that keeps its settings current while it runs.
type Reader int

// The readers.
const (
	LocalReader      Reader = iota // the server on one machine, and its workers
	WorkerReader                   // a worker in an account
	ControllerReader               // the controller function
	DispatcherReader               // the dispatcher function
	ViewReader                     // a function that reads the fleet view: the api function
)

// CacheTime is the time to live of the values of SSM in the state table, which all
// readers in an account read: SSM allows only forty reads a second.
const CacheTime = 5 * time.Second

// WorkerViews is how many views of the fleet are written for each one that a worker reads: what
// it takes from them, the rules of overflow, changes with the scheme and the budget.
const WorkerViews = 5

// ReportViews is how many views of the fleet are written for each report that a busy worker writes
// at most: each report is a write that is paid.
const ReportViews = 2

// refreshEvery is how often each reader reads the settings.
var refreshEvery = [...]time.Duration{
	LocalReader:      time.Second,      // from a local database, which costs nothing
	WorkerReader:     10 * time.Second, // there are many of them, and each read of the table is paid
	ControllerReader: CacheTime,        // nothing newer is there sooner
	DispatcherReader: CacheTime,
	// The view says when settings have changed, and then they are read at once. This is in
	// case no controller writes a view.
	ViewReader: 5 * time.Minute,
}

// RefreshEvery is how often a process reads the settings while it runs. All read them at
// their start as well. The callbacks function reads them before each batch instead, as a
// host that an operator took off the list of callbacks gets nothing more.
func RefreshEvery(r Reader) time.Duration { return refreshEvery[r] }
