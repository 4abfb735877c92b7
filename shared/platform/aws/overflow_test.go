package aws

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/overflow/overflowtest"
	"github.com/paragon-serving/paragon/shared/platform"
)

// What waits for nobody leaves the queues of an account for the functions.
func TestOverflow(t *testing.T) {
	ground := newGround(t)
	overflowtest.Run(t, func(t *testing.T) platform.Backend { return ground.backend(t).Backend })
}
