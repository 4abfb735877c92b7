//go:build rehearse

package rehearse

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	paws "github.com/paragon-serving/paragon/shared/platform/aws"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
)

// extractor makes metrics of the lines that processes send to their logs, as CloudWatch does.
type extractor struct {
	to  *cloudwatch.Client
	log func(format string, args ...any)
}

// extracts has the stand make metrics in the test server, past itself: CloudWatch's own
// work is no call of the stage.
func (p *play) extracts() {
	behind := p.sdk.Copy()
	behind.BaseEndpoint = aws.String(p.moto)
	p.stand.metrics = &extractor{paws.MetricsClient(behind), p.t.Logf}
}

// isLines reports whether a request sends lines to a log.
func isLines(r *http.Request) bool {
	return r.Header.Get("X-Amz-Target") == "Logs_20140328.PutLogEvents"
}

func (e *extractor) take(ctx context.Context, body []byte) {
	var in struct{ LogEvents []struct{ Message string } }
	if err := json.Unmarshal(body, &in); err != nil {
		e.log("lines of a log that cannot be read: %v", err)
		return
	}
	for _, event := range in.LogEvents {
		puts, err := testserver.Embedded([]byte(event.Message))
		if err != nil {
			e.log("CloudWatch makes no metrics of the line %.200s: %v", event.Message, err)
		}
		for _, put := range puts {
			if _, err := e.to.PutMetricData(context.WithoutCancel(ctx), put); err != nil {
				e.log("metrics of a log: %v", err)
			}
		}
	}
}
