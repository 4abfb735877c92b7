package httpapi

import (
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/platform"
)

// models is GET /v1/models.
func (a *server) models(w http.ResponseWriter, r *http.Request) error {
	a.write(w, http.StatusOK, api.Models{Models: a.svc.Models(r.Context())})
	return nil
}

// status is GET /v1/status.
func (a *server) status(w http.ResponseWriter, r *http.Request) error {
	st, err := a.svc.Status(r.Context())
	if err != nil {
		return err
	}
	st.OperatorToken = a.Operations != nil && a.Operator != nil && !a.Operator(r)
	a.write(w, http.StatusOK, st)
	return nil
}

// openAPI is GET /v1/openapi.yaml.
func (a *server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(a.OpenAPI) // the caller may be gone
	return nil
}

// health is GET /healthz: this process can serve. A balancer takes it out of
// service otherwise, so that neither load nor a fault elsewhere counts.
func (a *server) health(w http.ResponseWriter, _ *http.Request) error {
	if a.Health != nil {
		if err := a.Health(); err != nil {
			a.write(w, http.StatusServiceUnavailable, map[string]string{"status": "failing", "reason": err.Error()})
			return nil
		}
	}
	a.write(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// ready is GET /readyz: this process and what it depends on.
func (a *server) ready(w http.ResponseWriter, r *http.Request) error {
	for _, task := range a.svc.Tasks() {
		if err := a.svc.NotReady(r.Context(), task); err != nil {
			a.write(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "reason": err.Error()})
			return nil
		}
	}
	a.write(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// newUpload is POST /v1/uploads.
func (a *server) newUpload(w http.ResponseWriter, r *http.Request) error {
	owner, err := a.owner(r)
	if err != nil {
		return err
	}
	var of string
	var size *float64
	err = readObject(w, r, fields{
		"content_type": text("content_type", &of), "bytes": number("bytes", intake.BadBound, &size),
	})
	if err != nil {
		return err
	}
	bytes := 0.0
	if size != nil {
		if bytes = *size; bytes < 1 {
			return refuse(intake.BadBound, "bytes", "is not a whole number above 0")
		}
	}
	up, err := a.svc.NewUpload(r.Context(), owner, of, bytes)
	if err != nil {
		return err
	}
	a.write(w, http.StatusCreated, api.Upload(up))
	return nil
}

// putUpload is PUT /v1/uploads/{id}, where the backend keeps uploads itself. Like
// a presigned address, the id alone entitles to it.
func (a *server) putUpload(w http.ResponseWriter, r *http.Request) error {
	gone := refuse(intake.NotFound, "", "there is no such upload, or it has expired")
	if a.Uploads == nil {
		return gone
	}
	limit := a.svc.Settings().UploadLimitKB << 10
	body, _, err := unpacked(w, r, limit)
	if err == nil {
		err = a.Uploads.PutBlob(r.Context(), r.PathValue("id"), body)
	}
	switch {
	case errors.Is(err, platform.ErrNotFound):
		return gone
	case errors.Is(err, platform.ErrTooLarge) || errors.As(err, new(*http.MaxBytesError)):
		bound := float64(limit)
		no := refuse(bodyTooLarge, "", "the upload is larger than its limit of %d bytes", limit)
		no.Bound = &bound
		return no
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) || notPacked(err):
		return unreadable(err)
	case err != nil:
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
