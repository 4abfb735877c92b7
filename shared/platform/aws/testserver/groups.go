package testserver

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Groups does what the server leaves out of Auto Scaling: termination hooks, which
// wait for an instance, and launches that fail, with a group's activities. It stands
// between a client and the server. The zero value but Next passes everything on.
type Groups struct {
	// Next passes a request on to the server.
	Next func(*http.Request) (*http.Response, error)
	// Hooks has groups wait for an instance that is to end: for Deregistration until
	// the hook waits, and for HookTimeout until the group goes on without it.
	Hooks                       bool
	Deregistration, HookTimeout time.Duration
	// WarmPools has every group have a warm pool, and LaunchHooks a hook that an instance
	// completes before it is in service.
	WarmPools, LaunchHooks bool

	launching sync.RWMutex // held while an instance is launched into a warm pool

	mu       sync.Mutex
	exits    map[string]*exit   // by instance
	ended    map[string]bool    // the instances whose exits are over
	failing  map[string]failure // by group
	healed   map[string]time.Time
	warm     map[string]*warmInstance // by instance
	shown    int                      // the desired capacity that was described last
	launched map[string]int           // how often an instance has completed the launch hook

	refreshes map[string]*refresh // by group
	closed    map[string]bool     // the groups that are being deleted
}

// exit is an instance that its group ends.
type exit struct {
	shrink  bool // its place goes with it
	since   time.Time
	request *http.Request // that ends it for good
}

// failure is why a group's launches fail, and which instances it had by then.
type failure struct {
	why  string
	at   time.Time
	have map[string]bool
}

var (
	instancesList = regexp.MustCompile(`(?s)<Instances>.*?</Instances>`)
	member        = regexp.MustCompile(`(?s)<member>.*?</member>`)
	instanceID    = regexp.MustCompile(`<InstanceId>([^<]+)</InstanceId>`)
	lifecycle     = regexp.MustCompile(`<LifecycleState>[^<]*</LifecycleState>`)
	desiredNumber = regexp.MustCompile(`<DesiredCapacity>(\d+)</DesiredCapacity>`)
	sizes         = regexp.MustCompile(`<(MinSize|MaxSize|DesiredCapacity)>\d+</(?:MinSize|MaxSize|DesiredCapacity)>`)
	groupName     = regexp.MustCompile(`<AutoScalingGroupName>([^<]+)</AutoScalingGroupName>`)
)

// FailLaunches has the launches of a group fail for a reason from now on: only the
// instances that it has are there. Without a reason they are lost: no activity
// mentions them.
func (g *Groups) FailLaunches(group, why string, have ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failing == nil {
		g.failing = map[string]failure{}
	}
	f := failure{why, time.Now(), map[string]bool{}}
	for _, id := range have {
		f.have[id] = true
	}
	g.failing[group] = f
}

// HealLaunches lets a group launch again: what it asked for meanwhile is there.
func (g *Groups) HealLaunches(group string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.healed == nil {
		g.healed = map[string]time.Time{}
	}
	delete(g.failing, group)
	g.healed[group] = time.Now()
}

// Close has a group take no more instances, as CloudFormation does before it deletes one.
func (g *Groups) Close(group string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		g.closed = map[string]bool{}
	}
	g.closed[group] = true
}

func (g *Groups) isClosed(group string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed[group]
}

// SetHookTimeout changes for how long a hook waits.
func (g *Groups) SetHookTimeout(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.HookTimeout = d
}

// Leaving says whether a group ends an instance.
func (g *Groups) Leaving(instance string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.exits[instance] != nil
}

// RoundTrip implements http.RoundTripper.
func (g *Groups) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.Header.Get("Authorization"), "/autoscaling/") || r.Body == nil {
		return g.Next(r)
	}
	g.launching.RLock()
	defer g.launching.RUnlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close() // it was read
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	if err := g.expire(); err != nil {
		return nil, err
	}
	switch form.Get("Action") {
	case "DescribeScalingActivities":
		return answer(r, http.StatusOK, "DescribeScalingActivities", g.activities(form.Get("AutoScalingGroupName"))), nil
	case "DescribeAutoScalingGroups":
		return g.describe(with(r, form))
	case "SetDesiredCapacity":
		if g.isClosed(form.Get("AutoScalingGroupName")) {
			return answer(r, http.StatusBadRequest, "SetDesiredCapacity", "New SetDesiredCapacity value is above max value 0 for the AutoScalingGroup."), nil
		}
		return g.Next(with(r, g.takeWarm(g.unshrunk(form))))
	case "DescribeWarmPool":
		return answer(r, http.StatusOK, "DescribeWarmPool", g.warmPool(form.Get("AutoScalingGroupName"))), nil
	case "TerminateInstanceInAutoScalingGroup":
		if g.Hooks {
			g.begin(with(r, form), form)
			return answer(r, http.StatusOK, "TerminateInstanceInAutoScalingGroup", ""), nil
		}
	case "RecordLifecycleActionHeartbeat", "CompleteLifecycleAction":
		return g.hook(r, form)
	}
	return g.Next(with(r, form))
}

// Do is RoundTrip, for clients of the SDK.
func (g *Groups) Do(r *http.Request) (*http.Response, error) { return g.RoundTrip(r) }

// with is a copy of a request with a form as its body.
func with(r *http.Request, form url.Values) *http.Request {
	text := form.Encode()
	c := r.Clone(r.Context())
	c.Body, c.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	return c
}

// answer is the response to an action with a result.
func answer(r *http.Request, status int, action, result string) *http.Response {
	text := fmt.Sprintf(`<%[1]sResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><%[1]sResult>%[2]s</%[1]sResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></%[1]sResponse>`, action, result)
	if status != http.StatusOK {
		text = fmt.Sprintf(`<ErrorResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><Error><Type>Sender</Type><Code>ValidationError</Code><Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>`, result)
	}
	return &http.Response{Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text))}
}

// activities are a group's, newest first.
func (g *Groups) activities(group string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := func(at time.Time, status, message string) string {
		return fmt.Sprintf(`<member><ActivityId>a</ActivityId><AutoScalingGroupName>%s</AutoScalingGroupName><Description>Launching a new EC2 instance</Description>`+
			`<Cause>wanted</Cause><StartTime>%s</StartTime><StatusCode>%s</StatusCode><StatusMessage>%s</StatusMessage></member>`,
			group, at.UTC().Format(time.RFC3339), status, html.EscapeString(message))
	}
	var list string
	if f, failing := g.failing[group]; failing && f.why != "" {
		list = one(f.at, "Failed", f.why)
	} else if at, healed := g.healed[group]; healed {
		list = one(at, "Successful", "")
	}
	return "<Activities>" + list + "</Activities>"
}

// begin ends an instance: its hook waits first.
func (g *Groups) begin(r *http.Request, form url.Values) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.beginLocked(r.WithContext(context.Background()), form.Get("InstanceId"), form.Get("ShouldDecrementDesiredCapacity") == "true")
}

func (g *Groups) beginLocked(ends *http.Request, id string, shrink bool) {
	if g.exits == nil {
		g.exits = map[string]*exit{}
	}
	if g.exits[id] == nil {
		g.exits[id] = &exit{shrink, time.Now(), ends}
	}
}

// hook answers a call of an instance to its hook.
func (g *Groups) hook(r *http.Request, form url.Values) (*http.Response, error) {
	id, action := form.Get("InstanceId"), form.Get("Action")
	if form.Get("LifecycleHookName") == LaunchHook {
		return g.launchHook(r, id, action), nil
	}
	g.mu.Lock()
	e := g.exits[id]
	waits := e != nil && time.Since(e.since) >= g.Deregistration
	if waits && action == "CompleteLifecycleAction" {
		g.exitOver(id)
	}
	g.mu.Unlock()
	switch {
	case !waits:
		return answer(r, http.StatusBadRequest, action, "No active Lifecycle Action found with instance ID "+id), nil
	case action == "CompleteLifecycleAction":
		if err := g.end(e); err != nil {
			return nil, err
		}
	}
	return answer(r, http.StatusOK, action, ""), nil
}

// expire ends the instances whose hooks have waited for too long.
func (g *Groups) expire() error {
	g.mu.Lock()
	var over []*exit
	for id, e := range g.exits {
		if time.Since(e.since) >= g.Deregistration+g.HookTimeout {
			over = append(over, e)
			g.exitOver(id)
		}
	}
	g.mu.Unlock()
	for _, e := range over {
		if err := g.end(e); err != nil {
			return err
		}
	}
	return nil
}

// exitOver notes that an instance is ended. A description that was asked for before
// the server ended it may still have it.
func (g *Groups) exitOver(id string) {
	if g.ended == nil {
		g.ended = map[string]bool{}
	}
	delete(g.exits, id)
	g.ended[id] = true
}

// end has the server end an instance.
func (g *Groups) end(e *exit) error {
	res, err := g.Next(e.request)
	if err != nil {
		return err
	}
	return res.Body.Close() // refused, it was gone already
}

// shrinking is how many places go with instances that are on their way out.
func (g *Groups) shrinking() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.exits {
		if e.shrink {
			n++
		}
	}
	return n
}

// unshrunk is a desired capacity as the server counts it, which still has the
// places of instances on their way out.
func (g *Groups) unshrunk(form url.Values) url.Values {
	if n, err := strconv.Atoi(form.Get("DesiredCapacity")); err == nil {
		form.Set("DesiredCapacity", strconv.Itoa(n+g.shrinking()))
	}
	return form
}

// describe passes on how groups stand, with exits and failed launches.
func (g *Groups) describe(r *http.Request) (*http.Response, error) {
	res, err := g.Next(r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close() // it was read
	desired := g.desiredOf(text)
	text = instancesList.ReplaceAllFunc(text, func(list []byte) []byte {
		return append(g.instances(list, groupOf(text), desired, r), g.warmConfiguration()...)
	})
	text = desiredNumber.ReplaceAllFunc(text, func(number []byte) []byte {
		return fmt.Appendf(nil, "<DesiredCapacity>%d</DesiredCapacity>", g.show(g.desiredOf(number)))
	})
	if g.isClosed(groupOf(text)) {
		text = sizes.ReplaceAll(text, []byte("<${1}>0</${1}>"))
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	res.Header.Del("Content-Length")
	return res, nil
}

// desiredOf is the desired capacity in a description, without the places that the server
// counts of instances on their way out and of warm ones.
func (g *Groups) desiredOf(text []byte) int {
	m := desiredNumber.FindSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1])) // it matched digits
	return n - g.shrinking() - g.warmCount()
}

func groupOf(text []byte) string {
	if m := groupName.FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return ""
}

// instances are those of a group's list that are there, each in its state.
func (g *Groups) instances(list []byte, group string, desired int, r *http.Request) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, failing := g.failing[group]
	var there []string
	list = member.ReplaceAllFunc(list, func(m []byte) []byte {
		id := ""
		if found := instanceID.FindSubmatch(m); found != nil {
			id = string(found[1])
		}
		if failing && !f.have[id] || g.warm[id] != nil || g.ended[id] {
			return nil
		}
		there = append(there, id)
		if e := g.exits[id]; e != nil {
			state := "Terminating"
			if time.Since(e.since) >= g.Deregistration {
				state = "Terminating:Wait"
			}
			return lifecycle.ReplaceAll(m, []byte("<LifecycleState>"+state+"</LifecycleState>"))
		}
		if !g.serves(id) {
			return lifecycle.ReplaceAll(m, []byte("<LifecycleState>Pending:Wait</LifecycleState>"))
		}
		return m
	})
	g.replaceNext(group, desired, there, r)
	return list
}
