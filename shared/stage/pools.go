package stage

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/paragon-serving/paragon/shared/environment"
)

// Pool is a pool of workers with the instance type that it is sized by.
type Pool struct{ Name, InstanceType string }

// Pools reads the pools of the environment: names, and as many types, parted by
// commas. Without any it is the pool general of c5.large.
func Pools(env func(string) string) ([]Pool, error) {
	pools := strings.Split(cmp.Or(env(environment.Pool), "general"), ",")
	types := strings.Split(cmp.Or(env(environment.InstanceType), "c5.large"), ",")
	if len(pools) != len(types) {
		return nil, fmt.Errorf("%s names %d pools and %s names %d instance types: the two numbers must be equal", environment.Pool, len(pools), environment.InstanceType, len(types))
	}
	var out []Pool
	for i := range pools {
		if pools[i] == "" || types[i] == "" {
			return nil, fmt.Errorf("%s or %s has an empty entry in its list", environment.Pool, environment.InstanceType)
		}
		out = append(out, Pool{pools[i], types[i]})
	}
	return out, nil
}
