//go:build rehearse

package rehearse

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/paragon-serving/paragon/cmd/paragon/rehearse/policy"
	"github.com/paragon-serving/paragon/shared/api"
	coreinference "github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
)

// operator is the access key of who runs the stage from a terminal.
const operator = "operator"

// apiID is what the gateway calls the API; the test server makes none.
const apiID = "abcde12345"

// terminal is the command line at the stage that is played.
type terminal struct {
	*play
	binary string
	cache  string // of the operator's machine, which is none of the stage's

	forests int // queries that the added model was asked
}

// newTerminal builds the command line and starts a gateway before the api. The
// stage's parameter, as the stack made it, is led to that gateway.
func newTerminal(p *play) *terminal {
	p.t.Helper()
	term := &terminal{play: p, binary: filepath.Join(p.t.TempDir(), "paragon"), cache: p.t.TempDir()}
	if said, err := exec.Command("go", "build", "-o", term.binary, "github.com/paragon-serving/paragon/cmd/paragon").CombinedOutput(); err != nil {
		p.t.Fatalf("build the command line: %v\n%s", err, said)
	}
	gw := httptest.NewServer(http.HandlerFunc(p.pass))
	p.t.Cleanup(gw.Close)
	client, path := ssm.NewFromConfig(p.sdk), aws.String(names.StageParameterPath(stage))
	out, err := client.GetParameter(p.t.Context(), &ssm.GetParameterInput{Name: path})
	must(p.t, err)
	var parameter names.StageParameter
	must(p.t, json.Unmarshal([]byte(aws.ToString(out.Parameter.Value)), &parameter))
	p.t.Logf("the parameter: %+v", parameter)
	parameter.Endpoint = gw.URL
	value, err := json.Marshal(parameter)
	must(p.t, err)
	_, err = client.PutParameter(p.t.Context(), &ssm.PutParameterInput{Name: path, Value: aws.String(string(value)), Overwrite: aws.Bool(true)})
	must(p.t, err)
	return term
}

// pass does what API Gateway does with a request: it holds it to its signature,
// says who signed it, and hands it on.
func (p *play) pass(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	who, err := testserver.Verify(r, body, func(string) string { return "testing" }, time.Now())
	if err != nil || who.Service != "execute-api" {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"message":"Forbidden"}`)
		return
	}
	p.stand.note(who.AccessKey, []policy.Call{{Action: "execute-api:Invoke", Resource: arn("execute-api", apiID+"/$default/"+r.Method+r.URL.Path)}})
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.front.serve(w, r, "arn:aws:iam::"+testserver.Account+":user/"+who.AccessKey)
}

// run runs a command at the stage, as the operator.
func (term *terminal) run(args ...string) (said []byte, fault string, err error) {
	c := term.command(args...)
	var out, faults bytes.Buffer
	c.Stdout, c.Stderr = &out, &faults
	err = c.Run()
	return out.Bytes(), faults.String(), err
}

func (term *terminal) command(args ...string) *exec.Cmd {
	c := exec.Command(term.binary, append(args, "--stage", stage)...)
	c.Env = append(append(os.Environ(), term.env(operator)...), "PARAGON_ENDPOINT=", "PARAGON_TOKEN=", "XDG_CACHE_HOME="+term.cache)
	return c
}

// says runs a command and wants its output to hold some words.
func (term *terminal) says(want string, args ...string) []byte {
	term.t.Helper()
	out, fault, err := term.run(args...)
	if err != nil || !strings.Contains(string(out), want) {
		term.t.Fatalf("paragon %s: %v, want %q in\n%s%s", strings.Join(args, " "), err, want, out, fault)
	}
	return out
}

// into runs a command that prints one JSON value.
func (term *terminal) into(v any, args ...string) {
	term.t.Helper()
	must(term.t, json.Unmarshal(term.says("", append(args, "--json")...), v))
}

// The command line works on the stage as on one machine: it asks the API, signed,
// and runs the stage with no more than the operator's policy.
func TestOperate(t *testing.T) {
	term := newTerminal(newPlay(t))
	term.shifts()
	picture := term.queries()
	term.tunes()
	term.decides()
	term.redrives()
	term.readsCallbacks()
	term.adds()
	term.readsThePast()
	term.compares()
	term.checksUp(picture)
	term.checkOperator()
}

// queries asks and is answered. It returns the picture that it asked about.
func (term *terminal) queries() string {
	picture, err := filepath.Glob("../../../profiles/fashion/testdata/*-trouser.png")
	must(term.t, err)
	var q struct{ ID string }
	term.into(&q, "submit", "--model", "logistic", "--class", "strict", "--latency-ms", "20000", "--wait", "0", picture[0])
	term.overflow()
	term.says("trouser", "get", "--wait", "20", q.ID)
	term.says("Chosen: ", "explain", q.ID)
	term.says("logistic", "models")
	term.says("general", "status")
	return picture[0]
}

// tunes changes a setting and takes it back.
func (term *terminal) tunes() {
	term.says(" -> 3", "tune", "set", "max_step", "3")
	term.says("max_step: 3 -> 2", "tune", "set", "max_step", "2")
	term.says("+ max_step=2", "tune", "diff")
	term.says("max_step: 2 -> 3", "tune", "rollback", "max_step")
	var past []api.Change
	term.into(&past, "tune", "history", "max_step")
	if len(past) < 3 {
		term.t.Errorf("history %+v", past)
	}
	term.says("3\n", "tune", "get", "max_step")
}

// decides reads what the controller decided, and makes it again to the byte.
func (term *terminal) decides() {
	var ticks []api.Decision
	term.until("there is a decision", func() bool {
		term.into(&ticks, "decisions", "--limit", "5")
		return len(ticks) > 0
	})
	term.says("wanted ", "explain", ticks[0].ID)
	term.says("equal, byte by byte", "replay-decision", ticks[0].ID)
}

// redrives puts back two queries that have failed: each is submitted again, once.
func (term *terminal) redrives() {
	term.fails()
	term.fails()
	term.says("would be submitted again: 2", "redrive", "--dry-run")
	for waiting := 1; waiting >= 0; waiting-- {
		var done api.DeadLetters
		term.into(&done, "redrive", "--limit", "1")
		if len(done.Letters) != 1 || done.Letters[0].Outcome != api.Resubmitted || done.Waiting != waiting {
			term.t.Fatalf("put back: %+v, want %d to wait", done, waiting)
		}
		term.overflow()
		term.says("trouser", "get", "--wait", "20", done.Letters[0].As)
	}
	term.says("submitted again: 0", "redrive")
}

// readsCallbacks prints what a receiver of callbacks needs, and how many wait.
func (term *terminal) readsCallbacks() {
	var got api.Callbacks
	term.into(&got, "callbacks", "hooks.example.com")
	if len(got.Receivers) != 1 || !strings.HasPrefix(got.Receivers[0].Secret, "whsec_") || got.Waiting == nil || *got.Waiting != 0 {
		term.t.Errorf("callbacks %+v", got)
	}
}

// adds puts a model of its own into the stage, which knows it without a deployment: a
// generic function answers what no worker does. Then it takes the model out again.
func (term *terminal) adds() {
	term.addForest("/v2/models/weather/infer", 0.5)
	term.says("forest", "model", "list")
	term.measured("forest")
	term.until("the api knows the model", func() bool {
		var known []api.Model
		term.into(&known, "models")
		return slices.ContainsFunc(known, func(m api.Model) bool { return m.Name == "forest" })
	})
	term.asksForest()
	term.versions()
	term.rollsBack()
	term.says("", "model", "remove", "forest")
	term.says("removed", "model", "list")
}

// addForest adds a model of its own, or a version of it, which splits at a value.
func (term *terminal) addForest(want string, at float32, more ...string) {
	term.t.Helper()
	file := filepath.Join(term.t.TempDir(), "forest.onnx")
	must(term.t, os.WriteFile(file, enginetest.Forest(2, at, [2]string{"dry", "rain"}), 0o600))
	term.says(want, append([]string{"model", "add", file, "--task", "weather", "--yes"}, more...)...)
}

// readsThePast wants the minutes that were answered, once each: as the command line
// prints them, and as the page reads them.
func (term *terminal) readsThePast() {
	term.t.Helper()
	var h api.History
	term.until("the history has what both models answered", func() bool {
		term.into(&h, "history")
		return answeredBy(h, "logistic") > 0 && answeredBy(h, "forest") > 0
	})
	inMinutes := int64(0)
	for i, at := range h.AtUnixSeconds {
		inMinutes += h.Classes[query.Strict].Answered[i] + h.Classes[query.Relaxed].Answered[i]
		if time.Since(time.Unix(at, 0)) > time.Hour {
			term.t.Errorf("a minute began at %v", time.Unix(at, 0))
		}
	}
	if inMinutes != answeredBy(h, "") || inMinutes > int64(answeredApart+term.forests) || h.StepSeconds != 60 {
		term.t.Errorf("minutes of %d answers, and models of %d: %+v", inMinutes, answeredBy(h, ""), h)
	}
	term.says("logistic", "history")
	term.tops()
	term.usage()
	term.pageReads()
}

// compares has the stage count a dollar an hour, and compares it with what is simulated of the
// arrivals: next to nothing.
func (term *terminal) compares() {
	term.t.Helper()
	end := time.Now().UTC().Truncate(time.Minute).Add(-5 * time.Minute)
	var rows []timeline.Stored
	for at := end.Add(-70 * time.Minute); !at.After(end); at = at.Add(time.Minute) {
		rows = append(rows, timeline.Stored{Step: time.Minute, Row: timeline.Row{At: at, Samples: 1, CostUSD: 1. / 60}})
	}
	must(term.t, term.backend.Timeline.PutTimeline(term.t.Context(), rows...))
	term.says("for 1.0 h of this stage's own past under scheme "+settings.Defaults().Scheme, "savings", "--since", "1h")
}

// answeredApart is how many queries are answered before the past is read, in addition to those
// for the added model: queries asks one, and redrives two.
const answeredApart = 3

// pageReads serves the page of the stage as the operator, asks for all that it shows, and
// changes a setting as it does.
func (term *terminal) pageReads() {
	term.t.Helper()
	c := term.command("page", "--port", "0", "--json")
	out, err := c.StdoutPipe()
	must(term.t, err)
	must(term.t, c.Start())
	var at struct{ URL string }
	must(term.t, json.NewDecoder(out).Decode(&at))
	address, token, _ := strings.Cut(at.URL, "/#operator=")
	ask := func(method, path, body string, into any) {
		r, err := http.NewRequestWithContext(term.t.Context(), method, address+path, strings.NewReader(body))
		must(term.t, err)
		r.Header.Set(api.OperatorHeader, token)
		r.Header.Set("Content-Type", "application/json")
		got, err := http.DefaultClient.Do(r)
		must(term.t, err)
		defer got.Body.Close()
		if text, err := io.ReadAll(got.Body); err != nil || got.StatusCode != http.StatusOK || json.Unmarshal(text, into) != nil {
			term.t.Fatalf("the page asks %s %s: %v, %d %s", method, path, err, got.StatusCode, text)
		}
	}
	var live api.Live
	ask("GET", "/v1/live?watch=/v1/status&watch=/v1/queries%3Flimit=20&watch=/v1/decisions%3Flimit=30&watch=/v1/workers%3Flimit=20&watch=/v1/settings&watch=/v1/history%3Fhours=24", "", &live)
	parts := map[string]api.LivePart{}
	for _, p := range live.Parts {
		if parts[p.Path] = p; p.Status != http.StatusOK {
			term.t.Errorf("the page reads %s: %d %s", p.Path, p.Status, p.Body)
		}
	}
	var h api.History
	var decisions api.Decisions
	must(term.t, json.Unmarshal(parts["/v1/history?hours=24"].Body, &h))
	must(term.t, json.Unmarshal(parts["/v1/decisions?limit=30"].Body, &decisions))
	if h.StepSeconds != 600 || answeredBy(h, "forest") == 0 || len(decisions.Decisions) == 0 || len(parts) != 6 {
		term.t.Fatalf("a day is %+v, decisions %+v of %d parts", h, decisions, len(parts))
	}
	var set api.Setting
	ask("GET", "/v1/decisions/"+decisions.Decisions[0].ID, "", &decisions.Decisions[0])
	ask("PUT", "/v1/settings/max_step", `{"value":"4"}`, &set)
	term.says("4\n", "tune", "get", "max_step")
	ask("PUT", "/v1/settings/max_step", `{"value":"3"}`, &set)
	must(term.t, c.Process.Signal(os.Interrupt))
	if err := c.Wait(); err != nil {
		term.t.Errorf("the page ended: %v", err)
	}
}

// answeredBy counts the answers of a model, or of all with an empty name.
func answeredBy(h api.History, model string) (n int64) {
	for _, m := range h.Models {
		if model == "" || m.Model == model {
			n += m.Answered
		}
	}
	return n
}

// tops reads once what is watched.
func (term *terminal) tops() {
	term.t.Helper()
	c := term.command("top", "--json")
	out, err := c.StdoutPipe()
	must(term.t, err)
	must(term.t, c.Start())
	var top struct{ Models []api.ModelLoad }
	must(term.t, json.NewDecoder(out).Decode(&top))
	must(term.t, c.Process.Signal(os.Interrupt))
	if err := c.Wait(); err != nil || len(top.Models) == 0 {
		term.t.Errorf("top shows %+v and ended: %v", top, err)
	}
}

// usage reads the usage of the operator, as everybody may ask for their own, and that of
// all, which an operator may.
func (term *terminal) usage() {
	term.t.Helper()
	var own, all api.Usage
	term.into(&own, "usage", "--mine")
	term.into(&all, "usage")
	for _, o := range own.Owners {
		if !strings.HasSuffix(o.Owner, "/"+operator) {
			term.t.Errorf("the operator's own usage has that of %s", o.Owner)
		}
	}
	if len(own.Owners) == 0 || len(all.Owners) < len(own.Owners) {
		term.t.Errorf("usage %+v of %+v", own, all)
	}
}

// versions adds a version of the model, gives it more queries, all of them, and none.
func (term *terminal) versions() {
	term.addForest("10 %", 0.7, "--share", "0.1")
	term.says("on trial, 10 %", "model", "list")
	term.says("50 %", "model", "canary", "forest", "--share", "0.5")
	term.says("served by version forest@2", "model", "promote", "forest")
	term.says("served before", "model", "list")
	term.says("served by version forest.", "model", "rollback", "forest")
}

// rollsBack adds a version whose runs fail. The stage answers each of its queries all the
// same, takes the version back by itself, and says why.
func (term *terminal) rollsBack() {
	term.t.Helper()
	file := filepath.Join(term.t.TempDir(), "forest.onnx")
	must(term.t, os.WriteFile(file, enginetest.BrittleForest(2, 0.5, [2]string{"dry", "rain"}), 0o600))
	term.says("50 %", "model", "add", file, "--task", "weather", "--share", "0.5", "--yes")
	began, asked, said := time.Now(), 0, ""
	term.until("the version is rolled back", func() bool {
		if q := term.askForest(7); q.State != query.Succeeded {
			term.t.Errorf("a query while a version fails reads %+v", q)
		}
		asked++
		said = string(term.says("", "model", "show", "forest"))
		return !strings.Contains(said, "is on trial")
	})
	term.t.Logf("after %d queries, %v:\n%s", asked, time.Since(began), said)
	if want := "forest@3  rolled back by the rule: errors: "; !strings.Contains(said, want) {
		term.t.Errorf("it was not rolled back by %q", want)
	}
	term.checkRollback()
}

// checkRollback holds the controller to its role: it writes the catalogue of added models,
// and may for that grant alone.
func (term *terminal) checkRollback() {
	term.t.Helper()
	may, calls := term.statements(term.roles()["controller"]), term.stand.made()["controller"]
	for _, c := range calls {
		if by, err := policy.Matching(may, c); err != nil || len(by) == 0 {
			term.t.Errorf("nothing allows the controller's %s of %q (%v)", c.Action, c.Resource, err)
		}
	}
	if !slices.ContainsFunc(calls, func(c policy.Call) bool {
		return c.Action == "s3:PutObject" && strings.HasSuffix(c.Resource, "/"+names.ModelsPrefix+"/"+modelstore.CatalogueFile)
	}) {
		term.t.Error("the controller did not write the catalogue")
	}
	term.takeAway("controller", may, calls)
}

// measured wants to know of an added model what the generic functions measured, whose cold
// starts have the fetch from the bucket in them: it is offered for that alone.
func (term *terminal) measured(model string) {
	term.t.Helper()
	var m profile.Model
	term.into(&m, "model", "profile", model)
	for _, l := range m.Latency {
		if l.MemoryMB > 0 && (l.ColdMS == nil || l.ColdMS.P50 <= 0 || l.Source.Kind != "measured") {
			term.t.Errorf("on functions of %d MB it takes %+v", l.MemoryMB, l)
		}
	}
	if !slices.ContainsFunc(m.Latency, func(l profile.Latency) bool { return l.MemoryMB > 0 }) {
		term.t.Errorf("it was measured on %+v", m.Latency)
	}
}

// asksForest has a strict query for the added model overflow: a generic function, which
// has run it before, answers.
func (term *terminal) asksForest() {
	term.t.Helper()
	q := term.askForest(0)
	if q.State != query.Succeeded || q.ServedBy.Name != coreinference.GenericName(q.ServedBy.MemoryMB) || q.ServedBy.Cold {
		term.t.Errorf("the query for the added model reads %+v", q)
	}
	term.checkGeneric()
}

// askForest has a strict query for the added model overflow, with two features of a value.
func (term *terminal) askForest(feature float32) answered {
	term.t.Helper()
	term.forests++
	body := forestQuery(term.t, query.Strict, feature)
	got := term.request("POST", "/v1/queries", body)
	if got.Code != http.StatusAccepted {
		term.t.Fatalf("the API answered %d %s", got.Code, got.Body)
	}
	term.overflow()
	return term.await(got.Header().Get("Location"))
}

// forestQuery is a query for the added model, with two features of a value.
func forestQuery(t *testing.T, class query.Class, feature float32) string {
	t.Helper()
	data := make([]byte, 8)
	_, err := binary.Encode(data, binary.LittleEndian, []float32{feature, feature})
	must(t, err)
	in := []tensors.Tensor{{Name: "X", Datatype: tensors.FP32, Shape: []int64{1, 2}, Data: data}}
	input := fmt.Sprintf(`"data":%q`, base64.StdEncoding.EncodeToString(tensors.Pack(in)))
	return strings.Replace(asked("forest", class, input), "image/png", tensors.ContentType, 1)
}

// checkGeneric holds the generic functions to their roles: each is needed, and enough.
func (term *terminal) checkGeneric() {
	term.t.Helper()
	seen := 0
	for who, calls := range term.stand.made() {
		if !strings.HasPrefix(who, "generic-") {
			continue
		}
		seen++
		may := term.statements(term.roles()[who])
		for _, fault := range policy.Judge(may, calls, uncalled["inference"]) {
			term.t.Errorf("the %s: %s", who, fault)
		}
		term.takeAway(who, may, calls)
	}
	if seen == 0 {
		term.t.Error("no generic function made a call")
	}
}

// fails makes a query of the operator's that has failed, with its dead letter.
func (term *terminal) fails() {
	term.t.Helper()
	m := term.message("arn:aws:iam::" + testserver.Account + ":user/" + operator)
	_, _, err := term.backend.Records.PutRecord(term.t.Context(), m.Ended(query.Outcome{State: query.Failed, FinishedAt: time.Now(), Failure: &query.Failure{Code: query.TooOften, Detail: "3 runs failed"}}))
	must(term.t, err)
	must(term.t, term.backend.Queues.Send(term.t.Context(), platform.DeadLetters, m))
}

// unplayedHere are the grants of the operator's policy that this play does not use.
var unplayedHere = []policy.Excuse{
	{Action: "sqs:SendMessage", Resource: "*-work-*", Why: "puts relaxed queries back"},
	{Action: "sqs:SendMessage", Resource: "*-callbacks", Why: "puts queries with a callback back"},
	{Action: "ssm:GetParametersByPath", Why: onlyOne},
	{Action: "s3:DeleteObject", Resource: "*/models/*", Why: "deletes the file of a removed model hours later, when the next one is added"},
}

// checkOperator holds what the command line called to the operator's policy.
func (term *terminal) checkOperator() {
	term.t.Helper()
	for _, r := range term.stack.resources {
		if r.Type != "AWS::IAM::ManagedPolicy" {
			continue
		}
		resolved, err := policy.Resolve(r.Properties["PolicyDocument"], term.operatorNames)
		must(term.t, err)
		text, err := json.Marshal(resolved)
		must(term.t, err)
		var doc struct{ Statement []policy.Statement }
		must(term.t, json.Unmarshal(text, &doc))
		calls := term.stand.made()[operator]
		for _, fault := range policy.Judge(doc.Statement, calls, unplayedHere) {
			term.t.Errorf("the operator: %s", fault)
		}
		term.takeAway(operator, doc.Statement, calls)
		return
	}
	term.t.Error("the stack has no policy for those who run it")
}

// operatorNames knows the API too, which the test server does not make.
func (term *terminal) operatorNames(id, attribute string) (string, error) {
	if term.stack.resources[id].Type == "AWS::ApiGatewayV2::Api" && attribute == "" {
		return apiID, nil
	}
	if name, err := term.named(id, attribute); err == nil {
		return name, nil
	}
	return "", fmt.Errorf("what is the %s of %s, a %s?", attribute, id, term.stack.resources[id].Type)
}
