package evaluate

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// Key names a case with its schemes: another trace, market, setting or seed
// has another key.
func Key(c comparison.Case, schemes []procurement.Scheme) (string, error) {
	var names []string
	for _, s := range schemes {
		names = append(names, s.Name())
	}
	raw, err := json.Marshal(struct {
		Case    comparison.Case
		Schemes []string
	}{c, names})
	if err != nil {
		return "", fmt.Errorf("name a case: %w", err)
	}
	name := strings.NewReplacer(" ", "-", "/", "-").Replace(c.Name + "-" + c.Market.Name)
	return fmt.Sprintf("%s-%x", name, sha256.Sum256(raw))[:len(name)+13], nil
}
