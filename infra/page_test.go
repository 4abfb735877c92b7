package infra

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// section is what a page says below a heading, up to the next one of its rank.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n"+heading+"\n")
	if !found {
		t.Fatalf("docs/%s has no section %q", page, heading)
	}
	rank, _, _ := strings.Cut(heading, " ")
	below, _, _ := strings.Cut(rest, "\n"+rank+" ")
	return below
}

// tableRows are the rows of a section's tables, cut into cells.
func tableRows(text string) (rows [][]string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "| ") {
			cells := strings.Split(strings.Trim(line, "|"), " | ")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

// holdCounts compares what the page counts of a template with the template.
func holdCounts(t *testing.T, a assembly, lambda bool) {
	t.Helper()
	text := section(t, "deploy.md", "## Measurements")
	m := regexp.MustCompile(`(\d+) resources, of which (\d+) are inference functions; (\d+) resources with`).FindStringSubmatch(text)
	if m == nil {
		t.Fatal("the page has no size of the template")
	}
	want := []string{fmt.Sprint(len(a.t.Resources)), fmt.Sprint(len(a.inferenceNames()))}
	if got := m[1:3]; lambda {
		if m[3] != want[0] {
			t.Errorf("the page says %s resources with front=lambda; there are %s", m[3], want[0])
		}
	} else if !slices.Equal(got, want) {
		t.Errorf("resources and inference functions on the page: %v; of the template: %v", got, want)
	}
	if earlier := section(t, "deploy.md", "## From an earlier template"); !lambda && !strings.Contains(earlier, "the present template has "+want[0]) {
		t.Errorf("the comparison with an earlier template is not with one of %s resources", want[0])
	}
}

// holdOperators compares what the page says that operators need with what their policy
// permits: no more and no less.
func holdOperators(t *testing.T, a assembly) {
	t.Helper()
	var permitted []string
	for _, s := range list(a.t.Resources[a.t.of("IAM::ManagedPolicy")[0]].prop("PolicyDocument", "Statement")) {
		permitted = append(permitted, words(at(s, "Action"))...)
	}
	named := regexp.MustCompile("`([a-z0-9-]+:[A-Z][A-Za-z]+)`").FindAllStringSubmatch(section(t, "deploy.md", "### Who may run the stage"), -1)
	var page []string
	for _, m := range named {
		page = append(page, m[1])
	}
	for _, action := range permitted {
		if !slices.Contains(page, action) {
			t.Errorf("the policy permits %s, which the page does not name", action)
		}
	}
	for _, action := range page {
		if !slices.Contains(permitted, action) {
			t.Errorf("the page names %s, which the policy does not permit", action)
		}
	}
}

// holdAlarms compares each alarm with its row on the page on operations: for how many
// minutes it holds, and at which share of the queries.
func holdAlarms(t *testing.T, a assembly) {
	t.Helper()
	rows := tableRows(section(t, "operations.md", "## Alarms"))
	for _, id := range a.t.of("CloudWatch::Alarm") {
		r := a.t.Resources[id]
		name := strings.TrimPrefix(fmt.Sprint(r.prop("AlarmName")), names.Prefix(a.cfg.Stage))
		condition := ""
		for _, row := range rows {
			if listsAlarm(row[0], name) {
				condition = row[1]
			}
		}
		minutes := number(r.prop("EvaluationPeriods")) * number(r.prop("Period")) / 60
		if minutes > 1 && !holdsNumber(condition, minutes) {
			t.Errorf("%s: alarms after %v minutes; the page says %q", name, minutes, condition)
		}
		if metric, _ := r.prop("MetricName").(string); strings.HasSuffix(metric, "_share") && !strings.Contains(condition, percentage(number(r.prop("Threshold")))) {
			t.Errorf("%s: alarms at a share of %v; the page says %q", name, r.prop("Threshold"), condition)
		}
	}
}

// listsAlarm says whether a cell of the page names an alarm, whose pool, queue or
// function it may leave open.
func listsAlarm(cell, name string) bool {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		pattern := "^" + regexp.MustCompile(`<\w+>`).ReplaceAllString(m[1], `[a-z0-9-]+`) + "$"
		if regexp.MustCompile(pattern).MatchString(name) {
			return true
		}
	}
	return false
}

// holdsNumber says whether a sentence has a number as a word of its own.
func holdsNumber(sentence string, n float64) bool {
	return slices.ContainsFunc(strings.FieldsFunc(sentence, func(r rune) bool { return r == ' ' || r == ',' || r == ';' }), func(word string) bool {
		x, err := strconv.ParseFloat(word, 64)
		return err == nil && x == n
	})
}

// percentage is a share as the page writes it.
func percentage(share float64) string {
	if share == 0.5 {
		return "half"
	}
	return fmt.Sprintf("%g %%", 100*share)
}

// Each default on the page is that of cdk.json.
func TestTheDefaultsOfTheContextAreOnThePage(t *testing.T) {
	context := cdkJSON(t)
	said := 0
	for _, row := range tableRows(section(t, "deploy.md", "## The context")) {
		if strings.Contains(row[0], ", ") || row[0] == "key" {
			continue
		}
		said++
		if want, short := defaultOf(context[strings.Trim(row[0], "`")]); short && strings.Trim(row[1], "`") != want {
			t.Errorf("%s: the page says %s, and cdk.json %s", row[0], row[1], want)
		}
	}
	if said < 25 {
		t.Errorf("the page gives the defaults of %d keys", said)
	}
}

// defaultOf is a default as the page writes it, if it is one that fits a cell.
func defaultOf(v any) (text string, short bool) {
	switch v := v.(type) {
	case string:
		if v == "" {
			return "none", true
		}
		return v, true
	case bool, float64:
		return fmt.Sprint(v), true
	case []any:
		switch len(v) {
		case 0:
			return "none", true
		case 1:
			return fmt.Sprint(v[0]), true
		}
	case map[string]any:
		if len(v) == 0 {
			return "none", true
		}
	}
	return "", false
}

// What the page shows of an app is part of the app that a test builds.
func TestTheAppOnThePageIsBuilt(t *testing.T) {
	built, err := os.ReadFile("testdata/importer/main.go.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(section(t, "deploy.md", "### In a CDK app of your own"), "```go\n")
	code, _, _ = strings.Cut(code, "```")
	lines := 0
	for line := range strings.Lines(code) {
		statement, _, _ := strings.Cut(line, "//")
		// What depends on where the app stands: its folders and what it does with the endpoint.
		if strings.Contains(statement, "AssetRoot") || strings.Contains(statement, "NewApp") || strings.Contains(statement, "stage.Endpoint()") {
			continue
		}
		if lines++; !bytes.Contains(built, []byte(strings.TrimSpace(statement))) {
			t.Errorf("not in the app that is built: %s", statement)
		}
	}
	if lines < 6 {
		t.Errorf("the page shows %d lines", lines)
	}
}
