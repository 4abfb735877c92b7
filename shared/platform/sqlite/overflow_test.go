package sqlite

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/overflow/overflowtest"
	"github.com/paragon-serving/paragon/shared/platform"
)

// What waits for nobody leaves the queues of one machine for the functions.
func TestOverflow(t *testing.T) {
	overflowtest.Run(t, func(t *testing.T) platform.Backend { return open(t, Options{}).Platform() })
}
