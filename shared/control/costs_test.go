package control

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// While no worker is up a query that overflows does not pay for queue and record.
func TestTheWayToAFunctionIsCheaperWithoutWorkers(t *testing.T) {
	p := profile.Prices{SQSPerRequest: 4e-7, DynamoDBPerWrite: 6.25e-7, LambdaPerRequest: 2e-7, LambdaGBSecondX86: 1.667e-5, LambdaGBSecondARM: 1.333e-5}
	aided, unaided := overflowUSD(p, settings.Defaults(), 100, 100)
	if aided <= unaided {
		t.Errorf("a way to a function takes $%v more, $%v without workers", aided, unaided)
	}
}
