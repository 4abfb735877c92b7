//go:build rehearse

package rehearse

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform/aws/checkup"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// isAccountSettings says whether a request asks Lambda what the account may run.
func isAccountSettings(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/account-settings")
}

// answersOfAccount answers what doctor reads of an account and the test server does not
// know, and says whether it did. The account is a new one: few functions and vCPUs,
// and alarms that have sent nothing.
func answersOfAccount(w http.ResponseWriter, r *http.Request, body []byte) bool {
	kind, text := "application/json", ""
	switch {
	case isAccountSettings(r):
		text = `{"AccountLimit":{"ConcurrentExecutions":10,"UnreservedConcurrentExecutions":10},"AccountUsage":{}}`
	case strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetServiceQuota"):
		kind, text = "application/x-amz-json-1.1", `{"Quota":{"QuotaCode":"L-1216C47A","Value":5}}`
	case strings.HasPrefix(string(body), "Action=DescribeAlarmHistory&"):
		kind, text = "text/xml", `<DescribeAlarmHistoryResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><DescribeAlarmHistoryResult><AlarmHistoryItems/></DescribeAlarmHistoryResult></DescribeAlarmHistoryResponse>`
	default:
		return false
	}
	w.Header().Set("Content-Type", kind)
	_, _ = io.WriteString(w, text)
	return true
}

// checksUp has doctor compare the test server with what a deployment assumes of an account.
// Each check can be made by the operator's policy, and finds what differs: a new account,
// and a test server that runs no schedule.
func (term *terminal) checksUp(picture string) {
	term.t.Helper()
	term.until("a strict query runs at once", func() bool {
		var q api.Query
		term.into(&q, "submit", "--model", "logistic", "--class", "strict", "--latency-ms", "20000", "--wait", "5", picture)
		return q.State == query.Succeeded
	})
	term.makeAlarms()
	found := term.findings()
	checks := []string{"server", "ticks", "paths"}
	for _, c := range (checkup.Account{}).Checks() {
		checks = append(checks, c.Name)
	}
	for _, f := range checkup.Untried(stage) {
		checks = append(checks, f.Check)
	}
	for _, name := range checks {
		of := slices.DeleteFunc(slices.Clone(found), func(f checkup.Finding) bool { return f.Check != name })
		if len(of) == 0 || slices.ContainsFunc(of, func(f checkup.Finding) bool { return strings.HasPrefix(f.Found, "not checked") }) {
			term.t.Errorf("doctor did not check %q: %+v", name, of)
		}
	}
	for _, want := range []checkup.Finding{
		{Check: "server", Level: checkup.OK, Found: "accepts this caller"},
		{Check: "quotas", Level: checkup.Warning, Found: "10 functions"}, {Check: "quotas", Level: checkup.Warning, Found: "5 vCPUs"},
		{Check: "rebalancing", Level: checkup.Fault, Found: "not suspended"}, {Check: "network", Level: checkup.Fault, Found: "rules"},
		{Check: "alarms", Level: checkup.Warning, Found: "no alarm has sent anything"}, {Check: "permissions", Level: checkup.OK, Found: "no call was refused"},
		{Check: "paths", Level: checkup.Warning, Found: "no query was answered by a worker"}, {Check: "paths", Found: "by a function within the request: "}, {Check: "paths", Found: "by a function through the queue: "},
	} {
		if !slices.ContainsFunc(found, func(f checkup.Finding) bool {
			return f.Check == want.Check && (want.Level == "" || f.Level == want.Level) && strings.Contains(f.Found, want.Found)
		}) {
			term.t.Errorf("doctor does not find %+v in %+v", want, found)
		}
	}
}

// makeAlarms makes the alarms that the stack names, which the test server leaves out of it.
func (p *play) makeAlarms() {
	p.t.Helper()
	for _, r := range p.stack.resources {
		if name, ok := r.Properties["AlarmName"].(string); ok && r.Type == "AWS::CloudWatch::Alarm" {
			callStand(p.t, p.moto, "monitoring", form("Action", "PutMetricAlarm", "Version", "2010-08-01", "AlarmName", name, "Namespace", names.Namespace, "MetricName", "any",
				"ComparisonOperator", "GreaterThanThreshold", "EvaluationPeriods", "1", "Period", "60", "Statistic", "Sum", "Threshold", "1"))
		}
	}
}

// findings are those of doctor, whose exit status is 1 where it found a fault.
func (term *terminal) findings() (out []checkup.Finding) {
	term.t.Helper()
	var text []byte
	var fault string
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		text, fault, err = term.run("doctor", "--json")
	}()
	term.until("doctor has ended", func() bool {
		term.dispatch(0) // it asks by the overflow queue, too
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	if err == nil {
		term.t.Errorf("doctor finds no fault:\n%s", text)
	}
	for d := json.NewDecoder(strings.NewReader(string(text))); d.More(); {
		var f checkup.Finding
		if err := d.Decode(&f); err != nil {
			term.t.Fatalf("doctor: %v\n%s%s", err, text, fault)
		}
		out = append(out, f)
	}
	return out
}
