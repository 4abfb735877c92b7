// Package environment names the environment variables that functions and workers
// read on either platform; those of an account alone are in package names.
package environment

// The variables.
const (
	LocalURL     = "PARAGON_LOCAL_URL"       // chooses the backend on one machine, before Stage
	Catalogue    = "PARAGON_CATALOGUE"       // task whose models are served
	Profiles     = "PARAGON_PROFILES"        // folder, or s3://bucket/prefix, of profiles instead of the embedded ones
	Models       = "PARAGON_MODELS"          // folder, or s3://bucket/prefix, of the models that a stage was given in addition to its catalogue
	Pool         = "PARAGON_POOL"            // pool that queries are placed on, or that a worker belongs to
	InstanceType = "PARAGON_INSTANCE_TYPE"   // the pool's instance type; a worker on EC2 asks its instance
	Arch         = "PARAGON_ARCH"            // architecture of the inference functions: x86_64 or arm64
	Model        = "PARAGON_MODEL"           // the model of an inference function
	Runners      = "PARAGON_RUNNERS"         // runners of a worker; on EC2 empty means one a vCPU
	ModelMemory  = "PARAGON_MODEL_MEMORY_MB" // that a worker's loaded models may take; empty means half of the instance's
	WorkerID     = "PARAGON_WORKER_ID"       // a worker's id; on EC2 empty means its instance's
	Paced        = "PARAGON_PACED"           // 1 when a worker's runs take its profile's service times; 0 or empty when they do not
	ModelSHA256  = "PARAGON_MODEL_SHA256"    // digest of the model of an inference function on one machine
	Callbacks    = "PARAGON_CALLBACKS"       // where the stage may send callbacks: a callback.Reach
	Listen       = "PARAGON_LISTEN"          // address at which a worker accepts queries; "unix:" and a path on one machine
)
