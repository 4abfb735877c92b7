package tracing

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

// destination is where spans go and what goes with them, as the environment says.
type destination struct {
	file       string // empty for the collector's address
	address    string // empty for nowhere
	headers    http.Header
	timeout    time.Duration
	attributes []attribute.KeyValue
}

// fault is a variable whose value cannot be used, which counts as not set.
type fault struct{ variable, why string }

// variables are those of the environment; whatever cannot be used is put down and left out.
type variables struct {
	env    func(string) string
	faults []fault
}

// The protocols of OTLP. Collectors take JSON where they take protobuf over HTTP.
const (
	protocolJSON     = "http/json"
	protocolProtobuf = "http/protobuf"
	protocolGRPC     = "grpc"
)

// defaultTimeout is OTLP's for one request.
const defaultTimeout = 10 * time.Second

// readEnvironment finds where spans go; nowhere when tracing is off.
func readEnvironment(env func(string) string) (destination, []fault) {
	r := &variables{env: env}
	d := destination{file: env(File), timeout: defaultTimeout}
	if r.disabled() {
		return destination{}, r.faults
	}
	d.attributes, _ = first(r, parseAttributes, "OTEL_RESOURCE_ATTRIBUTES")
	if d.file != "" {
		return d, r.faults
	}
	d.address = r.address()
	if d.address == "" || !r.spoken() {
		return destination{}, r.faults
	}
	d.headers, _ = first(r, parseHeaders, "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
	if t, ok := first(r, parseTimeout, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"); ok {
		d.timeout = t
	}
	return d, r.faults
}

// first parses the first of some variables that is set and can be used.
func first[T any](r *variables, parse func(string) (T, error), names ...string) (value T, ok bool) {
	for _, name := range names {
		text := strings.TrimSpace(r.env(name))
		if text == "" {
			continue
		}
		v, err := parse(text)
		if err == nil {
			return v, true
		}
		r.faults = append(r.faults, fault{name, err.Error()})
	}
	return value, false
}

// disabled reports whether the variables switch tracing off. Booleans and names
// are read without regard to case, as OpenTelemetry's specification has them.
func (r *variables) disabled() bool {
	off, _ := first(r, func(text string) (bool, error) {
		switch strings.ToLower(text) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return false, fmt.Errorf("%q is neither true nor false", text)
	}, "OTEL_SDK_DISABLED")
	return off || strings.EqualFold(strings.TrimSpace(r.env("OTEL_TRACES_EXPORTER")), "none")
}

// address is that of the collector's traces.
func (r *variables) address() string {
	if to, ok := first(r, parseAddress, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); ok {
		return to
	}
	base, ok := first(r, parseAddress, "OTEL_EXPORTER_OTLP_ENDPOINT")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(base, "/") + "/v1/traces"
}

// spoken reports whether spans can be sent by the protocol that is asked for.
func (r *variables) spoken() bool {
	const most, all = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
	name := most
	if r.env(most) == "" {
		name = all
	}
	switch p := strings.ToLower(strings.TrimSpace(r.env(name))); p {
	case "", protocolJSON:
	case protocolGRPC:
		r.faults = append(r.faults, fault{name, "grpc is not spoken, only " + protocolJSON + ": no spans are sent"})
		return false
	case protocolProtobuf:
		r.faults = append(r.faults, fault{name, protocolProtobuf + " is not spoken: spans are sent as " + protocolJSON + " to the same address"})
	default:
		r.faults = append(r.faults, fault{name, fmt.Sprintf("%q is not spoken, only %s", p, protocolJSON)})
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

// parseHeaders reads name=value pairs, percent-encoded and parted by commas.
func parseHeaders(list string) (http.Header, error) {
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

// warn reports each fault on a line of its own.
func warn(log *slog.Logger, faults []fault) {
	for _, f := range faults {
		log.Warn("a variable of OpenTelemetry is left out", "variable", f.variable, "reason", f.why)
	}
}

// ChildEnv returns what of an environment child processes are given so that they
// trace as their parent does, which has reported what it left out: the variables
// of OpenTelemetry that can be used.
func ChildEnv(env func(string) string, pairs []string) []string {
	d, faults := readEnvironment(env)
	if d.file == "" && d.address == "" {
		return []string{"OTEL_SDK_DISABLED=true"}
	}
	out := []string{File + "=" + d.file}
	for _, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		left := !strings.HasPrefix(name, "OTEL_")
		for _, f := range faults {
			left = left || f.variable == name
		}
		if !left {
			out = append(out, pair)
		}
	}
	return out
}
