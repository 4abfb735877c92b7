// Package otlp speaks OpenTelemetry's protocol over HTTP, in its JSON encoding: where the
// environment says that a signal goes, the shapes that signals share, and the request. The
// library's exporters speak protobuf, and take gRPC with them: 24 MB more of a function that
// has 28, at every cold start.
package otlp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// Signal is what is sent, with its words in the environment.
type Signal struct {
	name string // within OTEL_EXPORTER_OTLP_<name>_ENDPOINT and its like
	path string // at a collector; empty for a signal that goes to its own endpoint alone
}

// The signals. Metrics go where OTEL_EXPORTER_OTLP_METRICS_ENDPOINT says, and not to the
// endpoint of all signals: who has traces there need not want, nor pay for, metrics.
var (
	Traces  = Signal{"TRACES", "/v1/traces"}
	Metrics = Signal{"METRICS", ""}
)

// own is a variable of the signal alone.
func (s Signal) own(what string) string { return "OTEL_EXPORTER_OTLP_" + s.name + "_" + what }

// of are the variables that may say something of the signal, the one that counts first.
func (s Signal) of(what string) []string { return []string{s.own(what), "OTEL_EXPORTER_OTLP_" + what} }

// Destination is where a signal goes, as the environment says.
type Destination struct {
	Address string // empty for nowhere
	Headers http.Header
	Timeout time.Duration
	Gzip    bool // documents are compressed, which every collector takes; the caller's choice
}

// Fault is a variable whose value cannot be used, which counts as not set.
type Fault struct{ Variable, Why string }

// Environment reads the variables of a signal; whatever cannot be used is put down and left
// out.
type Environment struct {
	Faults []Fault

	env    func(string) string
	signal Signal
}

// NewEnvironment returns a reader of a signal's variables.
func NewEnvironment(env func(string) string, s Signal) *Environment {
	return &Environment{env: env, signal: s}
}

// The protocols of OTLP. Collectors take JSON where they take protobuf over HTTP.
const (
	protocolJSON     = "http/json"
	protocolProtobuf = "http/protobuf"
	protocolGRPC     = "grpc"
)

// defaultTimeout is OTLP's for one request.
const defaultTimeout = 10 * time.Second

// Destination finds where the signal goes; nowhere when nothing usable says so.
func (r *Environment) Destination() Destination {
	d := Destination{Address: r.address(), Timeout: defaultTimeout}
	if d.Address == "" || !r.spoken() {
		return Destination{}
	}
	d.Headers, _ = first(r, ParseHeaders, r.signal.of("HEADERS")...)
	if t, ok := first(r, parseTimeout, r.signal.of("TIMEOUT")...); ok {
		d.Timeout = t
	}
	return d
}

// Resource returns what the signal is of: a part of Paragon, and the attributes that the
// environment adds or puts in the place of its name.
func (r *Environment) Resource(part string) []attribute.KeyValue {
	more, _ := first(r, parseAttributes, "OTEL_RESOURCE_ATTRIBUTES")
	about := append([]attribute.KeyValue{attribute.String("service.name", "paragon-"+part)}, more...)
	if name := r.env("OTEL_SERVICE_NAME"); name != "" {
		about = append(about, attribute.String("service.name", name)) // the last holds
	}
	return about
}

// first parses the first of some variables that is set and can be used.
func first[T any](r *Environment, parse func(string) (T, error), names ...string) (value T, ok bool) {
	for _, name := range names {
		text := strings.TrimSpace(r.env(name))
		if text == "" {
			continue
		}
		v, err := parse(text)
		if err == nil {
			return v, true
		}
		r.Faults = append(r.Faults, Fault{name, err.Error()})
	}
	return value, false
}

// Disabled reports whether the variables switch the signal off. Booleans and names
// are read without regard to case, as OpenTelemetry's specification has them.
func (r *Environment) Disabled() bool {
	off, _ := first(r, func(text string) (bool, error) {
		switch strings.ToLower(text) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return false, fmt.Errorf("%q is neither true nor false", text)
	}, "OTEL_SDK_DISABLED")
	return off || strings.EqualFold(strings.TrimSpace(r.env("OTEL_"+r.signal.name+"_EXPORTER")), "none")
}

// address is that of the collector for the signal.
func (r *Environment) address() string {
	if to, ok := first(r, parseAddress, r.signal.own("ENDPOINT")); ok || r.signal.path == "" {
		return to
	}
	base, ok := first(r, parseAddress, "OTEL_EXPORTER_OTLP_ENDPOINT")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(base, "/") + r.signal.path
}

// spoken reports whether the signal can be sent by the protocol that is asked for.
func (r *Environment) spoken() bool {
	names := r.signal.of("PROTOCOL")
	name := names[0]
	if r.env(name) == "" {
		name = names[1]
	}
	switch p := strings.ToLower(strings.TrimSpace(r.env(name))); p {
	case "", protocolJSON:
	case protocolGRPC:
		r.Faults = append(r.Faults, Fault{name, "grpc is not spoken, only " + protocolJSON + ": nothing is sent"})
		return false
	case protocolProtobuf:
		r.Faults = append(r.Faults, Fault{name, protocolProtobuf + " is not spoken: what is sent is " + protocolJSON + " to the same address"})
	default:
		r.Faults = append(r.Faults, Fault{name, fmt.Sprintf("%q is not spoken, only %s", p, protocolJSON)})
	}
	return true
}

func parseAddress(text string) (string, error) {
	if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", errors.New("it is not of the form http://host:4318") // it may hold a password
	}
	return text, nil
}

func parseTimeout(text string) (time.Duration, error) {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms <= 0 || ms > int64(time.Hour/time.Millisecond) {
		return 0, fmt.Errorf("%q is not a number of milliseconds from 1 to an hour", text)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// ParseHeaders reads name=value pairs, percent-encoded and parted by commas.
func ParseHeaders(list string) (http.Header, error) {
	out := http.Header{}
	err := eachPair(list, func(name, value string) { out.Add(name, value) })
	return out, err
}

// parseAttributes reads name=value pairs, percent-encoded and parted by commas.
func parseAttributes(list string) ([]attribute.KeyValue, error) {
	var out []attribute.KeyValue
	err := eachPair(list, func(name, value string) { out = append(out, attribute.String(name, value)) })
	return out, err
}

// eachPair passes over the pairs of a list. An error does not quote a value,
// which may be a secret.
func eachPair(list string, take func(name, value string)) error {
	for part := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		text, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || name == "" || err != nil || strings.ContainsAny(text, "\r\n\x00") {
			return errors.New("not every entry is of the form name=value, percent-encoded")
		}
		take(name, text)
	}
	return nil
}

// Warn reports each fault on a line of its own.
func Warn(log *slog.Logger, faults []Fault) {
	for _, f := range faults {
		log.Warn("an OpenTelemetry environment variable is ignored, because its value is not valid", "variable", f.Variable, "reason", f.Why)
	}
}
