package pricing

// What the deployed code does for a query, apart from the prices. These are the
// quantities that bill, simulator and docs are made from. `make rehearse`
// counts the calls of the deployed code; times marked [E] are from experience
// and were not measured in an account.
const (
	apiMS       = 15  // [E] of the api function's own work on a request, at APIMB
	invokeMS    = 8   // [E] what an Invoke takes in addition to the function it runs
	queueMS     = 75  // [E] of a queue and its consumer, p50
	dispatchMS  = 15  // [E] of the dispatcher, in addition to waiting for the function
	headersKB   = 1.5 // of a request and its answer at the balancer
	accessLogKB = 0.3 // with the 26 bytes that CloudWatch adds to an event
	envelopeKB  = 1   // of a message, in addition to its input
	recordKB    = 0.6 // of a terminal record, in addition to its result
	explainKB   = 1   // of a kept sample, more than of a record
	putMS       = 20  // [E] of the put of a handed-over input, p50
	getMS       = 10  // [E] of its get
	keyUnits    = 1   // write units of an idempotency key

	callbackMessages = 2   // of a query with a callback
	callbackMS       = 200 // [E] of one call, most of it the receiver's
	callbackKB       = 2   // of one call in addition to its result, with headers and TLS

	receives     = 1.47 // of the work queue a message: measured, with those that find nothing
	ackSeconds   = 0.1  // that a worker collects acknowledgements for
	ackMost      = 10   // and how many
	awaitFirstMS = 20.0 // first pause between reads of an awaited record
	awaitLastMS  = 250.0

	arrivalClasses   = 2     // strict and relaxed, whose arrivals have lines of their own
	arrivalLineKB    = 0.225 // of arrivals of a second in the log of a worker or an api environment: measured
	asksLineKB       = 0.28  // more of a line that says what arrivals ask for: measured
	asksSeconds      = 60    // between two of those of an api environment
	tallySeconds     = 10    // least between two writes of what a process has counted
	tallyUnits       = 2.0   // of a worker's with a few models; a function's takes one
	tallyQueries     = 30    // after which an api environment writes what it has counted
	tallyMostSeconds = 240   // or else after this time
	ownersSeconds    = 900   // between two writes of what a process has counted by owner; a unit holds some eight owners
	leaseSeconds     = 6     // between a process's calls to the global limits: measured
	longLeaseSeconds = 450   // that is where at most a roomyShare is taken: measured
	roomyShare       = 8
	tightWrites      = 2.2 // calls a query where little is free, with those that met others': measured
	tightReads       = 2.2
	viewSeconds      = 1.0  // the default between two views of the fleet
	idleViewSeconds  = 15.0 // that is while no worker is up or on its way
	viewUnits        = 0.5  // of one read, as of a moment ago

	// Of a load balancer's capacity unit.
	lcuConnections = 25   // new, a second
	lcuActive      = 3000 // connections
	lcuGB          = 1    // an hour, to instances
	lcuGBFunction  = 0.4  // an hour, to a function
	lcuRules       = 1000 // evaluated a second, beyond freeRules of each request
	freeRules      = 10
	listenerRules  = 3   // the controller's, the probe's, the default
	requestsOfOne  = 100 // [E] requests that the gateway sends over one connection
)

// CatalogueSeconds is how long what a process has read of the catalogue of a stage's
// own models is fresh; one that is at work reads it again then. The api function does
// when the view of the fleet says that it has changed.
const CatalogueSeconds = 10

// HandOverKB is the most of an input that a message itself carries: larger ones
// are handed over through the bucket.
const HandOverKB = 200

// HandOverMS is what that takes, put and get together, p95 [E].
const HandOverMS = 60

// While a worker boots, the controller receives at each view what waits for it: KeptBatches
// receives of KeptBatch messages each, at most. It sends back what can still wait.
const (
	KeptBatches = 10
	KeptBatch   = 10
)

// What the stack makes; its tests hold it to these.
const (
	Endpoints      = 4 // interface endpoints of a private network
	FrontEndpoints = 3 // and more, where workers stand in front: the key, functions to invoke, ages of queues
	// SessionEndpoints are more, where people may open a session on a worker.
	SessionEndpoints = 1
	Zones            = 2   // that the network is in
	DiskGB           = 8   // of a worker
	APIMB            = 128 // its peak is 55 MB, with bodies of 890 KB: measured
	DispatcherMB     = 512
	ControllerMB     = 256
	CallbacksMB      = 128
)
