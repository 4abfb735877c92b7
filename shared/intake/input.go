package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
	"github.com/paragon-serving/paragon/shared/platform"
)

// ContentTypes are what an input may be.
func ContentTypes() []string {
	return []string{preprocess.PNG, preprocess.JPEG, preprocess.RawTensor, tensors.ContentType, query.TextType}
}

// bodySlack is what a request's body may hold in addition to its input.
const bodySlack = 64 << 10

// InlineLimit is the most bytes of an input that a request itself carries: by
// the settings, and as far as every way here takes its body.
func (s *Service) InlineLimit(set settings.Settings) int {
	limit := set.InlineLimitKB << 10
	if s.BodyBytes > 0 {
		limit = min(limit, s.BodyBytes-bodySlack)
	}
	return limit
}

// BodyLimit is the most bytes of a request's body that holds an input of encoded
// bytes as it is encoded there. An input that its encoding makes too large for
// some way here is uploaded, or sent as it is.
func (s *Service) BodyLimit(encoded int) int {
	if s.BodyBytes > 0 {
		return min(encoded+bodySlack, s.BodyBytes)
	}
	return encoded + bodySlack
}

// inputData is an input that is within the limits of its size, wherever it came from.
type inputData struct {
	contentType string
	data        []byte
	limits      preprocess.Limits
}

// load reads an input and checks its size.
func (s *Service) load(ctx context.Context, owner string, in query.Input, set settings.Settings) (inputData, error) {
	data, limit, field := in.Data, s.InlineLimit(set), "input.data"
	if err := checkShape(in); err != nil {
		return inputData{}, err
	}
	if in.URI != "" {
		limit, field = set.UploadLimitKB<<10, "input.uri"
		var err error
		if data, err = s.upload(ctx, owner, in.URI, limit); err != nil {
			return inputData{}, err
		}
	}
	if len(data) > limit {
		return inputData{}, refuse(InputTooLarge, field, "has %d bytes, above the limit of %d bytes for an input in the request: use POST /v1/uploads", len(data), limit).
			withBound(float64(limit))
	}
	return inputData{in.ContentType, data, preprocess.Limits{MaxPixels: set.MaxPixels, MaxBytes: limit}}, nil
}

// check checks an input against what a model takes, and returns what a large picture
// takes besides.
func (in inputData) check(m *profile.Model) (none profile.Decoding, err error) {
	switch m.Takes() {
	case profile.TensorsIn:
		return none, checkTensors(in.contentType, in.data, m)
	case profile.TextIn:
		return none, checkText(in.contentType, in.data)
	}
	if !preprocess.Takes(in.contentType) {
		return none, refuse(UnsupportedInput, "input.content_type", "%q is not accepted: the task takes pictures, as %s, %s or %s",
			clip(in.contentType), preprocess.PNG, preprocess.JPEG, preprocess.RawTensor)
	}
	decoding, err := preprocess.Check(in.contentType, in.data, preprocess.Spec(*m.Input), in.limits)
	var bad *preprocess.InputError
	if errors.As(err, &bad) {
		return none, refuse(BadInput, bad.Field, "%s", bad.Reason)
	}
	if err != nil {
		return none, fmt.Errorf("check the input for model %s: %w", m.Name, err)
	}
	return decoding, nil
}

// checkShape wants a content type that is taken and the data in one place.
func checkShape(in query.Input) error {
	if in.ContentType == "" {
		return refuse(UnsupportedInput, "input.content_type", "is missing; send one of: %s", strings.Join(ContentTypes(), ", "))
	}
	if !Supported(in.ContentType) {
		return refuse(UnsupportedInput, "input.content_type", "%q is not accepted, only: %s",
			clip(in.ContentType), strings.Join(ContentTypes(), ", "))
	}
	switch {
	case len(in.Data) > 0 && in.URI != "":
		return refuse(BadInput, "input", "has both data and uri: send only one of them")
	case len(in.Data) == 0 && in.URI == "":
		return refuse(BadInput, "input", "has neither data nor uri: send one of them")
	}
	return nil
}

// Supported reports whether inputs of a content type are taken; parameters and
// the case of letters do not matter.
func Supported(contentType string) bool {
	name, _, _ := strings.Cut(contentType, ";")
	name = strings.ToLower(strings.TrimSpace(name))
	for _, t := range ContentTypes() {
		if t == name {
			return true
		}
	}
	return false
}

// upload returns what an owner put at a URI before.
func (s *Service) upload(ctx context.Context, owner, uri string, limit int) ([]byte, error) {
	data, err := s.Blobs.Blob(ctx, owner, uri, limit)
	switch {
	case errors.Is(err, platform.ErrNotFound):
		return nil, refuse(UnknownUpload, "input.uri", "names no upload of yours: send POST /v1/uploads, and then PUT the input to the URL that it returns")
	case errors.Is(err, platform.ErrTooLarge):
		return nil, refuse(InputTooLarge, "input.uri", "names an upload of more than %d bytes, the limit for an upload", limit).withBound(float64(limit))
	case err != nil:
		return nil, fmt.Errorf("read the upload: %w", err)
	}
	return data, nil
}

// NewUpload makes a place for an input that is too large for a message. Its
// bytes, when they are given, bound the upload; some backends take exactly this number.
func (s *Service) NewUpload(ctx context.Context, owner, contentType string, bytes float64) (platform.Upload, error) {
	if !Supported(contentType) {
		return platform.Upload{}, refuse(UnsupportedInput, "content_type", "%q is not accepted, only: %s",
			clip(contentType), strings.Join(ContentTypes(), ", "))
	}
	limit := s.Settings().UploadLimitKB << 10
	if bytes > float64(limit) {
		return platform.Upload{}, refuse(InputTooLarge, "bytes", "is above %d, the limit for an upload in bytes", limit).withBound(float64(limit))
	}
	if bytes != 0 {
		if bytes < 1 || bytes != float64(int(bytes)) {
			return platform.Upload{}, refuse(BadBound, "bytes", "is not a whole number above 0")
		}
		limit = int(bytes)
	}
	if err := s.takePlace(ctx, owner, s.Settings()); err != nil {
		return platform.Upload{}, err
	}
	u, err := s.Blobs.NewUpload(ctx, owner, contentType, limit)
	if err != nil {
		return u, fmt.Errorf("create an upload: %w", err)
	}
	return u, nil
}
