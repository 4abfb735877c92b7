package names

// The environment of the front: what takes queries in, and by what.
const (
	Front         = "PARAGON_FRONT"            // FrontWorkers or FrontLambda
	SigningSecret = "PARAGON_SIGNING_SECRET"   // ARN of the secret with the key that signs ids
	SigningKeys   = "PARAGON_SIGNING_KEYS"     // the keys themselves, on one machine: JSON as in the secret
	ListenerARN   = "PARAGON_LISTENER_ARN"     // of the load balancer, for the controller
	TargetGroup   = "PARAGON_TARGET_GROUP_ARN" // of the workers, for the controller
)

// The fronts of a stage.
const (
	FrontWorkers = "workers" // a load balancer, with the workers or the api function behind it
	FrontLambda  = "lambda"  // the api function alone
)

// HealthPath answers for a worker's process alone, without what it depends on.
const HealthPath = "/healthz"

// ProbePath is the path of a rule that ties the workers to the load balancer,
// so that it checks their health although no request goes to them.
const ProbePath = "/probe/never"

// WorkersPriority is the priority of the rule by which requests go to the
// workers. The controller makes and removes it; the stack does not know it.
const WorkersPriority = 1

// InlineKB is the most of an input that a request itself carries: a load balancer
// hands 1 MB on to a function, and the same request is to be taken whatever is
// behind it.
const InlineKB = 900

// InputPrefix is where inputs lie that are too large for a message, for as long
// as their queries are on a queue.
const InputPrefix = "inputs/"
