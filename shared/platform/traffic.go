package platform

import (
	"context"
	"slices"
)

// Routes is where a load balancer sends requests, and who could take them.
type Routes struct {
	ToWorkers bool     // otherwise to the api function
	Healthy   []string // ids of the workers that answer its health checks and are not being deregistered
}

// Remaining says whether a worker can take requests once those who leave are gone.
func (r Routes) Remaining(leaving ...string) bool {
	return slices.ContainsFunc(r.Healthy, func(id string) bool { return !slices.Contains(leaving, id) })
}

// Traffic turns the requests that come in between workers and the api
// function. Only a platform with a load balancer of its own has it.
type Traffic interface {
	// Routes reads where requests go now.
	Routes(ctx context.Context) (Routes, error)
	// Turn sends requests to the workers, or to the api function. Turning them
	// where they go already changes nothing. It takes hold within seconds.
	Turn(ctx context.Context, toWorkers bool) error
}
