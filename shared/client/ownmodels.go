package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

// modelsPath is where a machine is given models.
const modelsPath = "local/models"

// AddModel has a machine serve a model, whose file, of size bytes, is sent as it
// is read. It is not tried again: the file is read once. A *Problem says what is
// wrong with the model, and then nothing has changed.
func (c *Client) AddModel(ctx context.Context, o api.ModelOrder, file io.Reader, size int64) (api.AddedModel, error) {
	var added api.AddedModel
	head, err := json.Marshal(o)
	if err != nil {
		return added, fmt.Errorf("encode the request: %w", err)
	}
	head = append(head, '\n')
	u := c.base.JoinPath(modelsPath)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), io.MultiReader(bytes.NewReader(head), file))
	if err != nil {
		return added, fmt.Errorf("make the request: %w", err)
	}
	req.ContentLength = int64(len(head)) + size
	req.Header.Set("Content-Type", api.ModelType)
	c.identify(req, modelsPath)
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return added, &Unreachable{Endpoint: c.Endpoint(), Err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return added, &Unreachable{Endpoint: c.Endpoint(), Err: err}
	}
	return added, decode(resp, body, &added)
}

// OwnModels lists the models that a machine was given, and the versions of those that
// have several.
func (c *Client) OwnModels(ctx context.Context) (api.OwnModels, error) {
	var out api.OwnModels
	err := c.do(ctx, call{method: http.MethodGet, path: modelsPath}, &out)
	return out, err
}

// ChangeRollout does something with the versions of a model of a machine.
func (c *Client) ChangeRollout(ctx context.Context, name string, o api.RolloutOrder) (profile.Rollout, error) {
	var r profile.Rollout
	body, err := json.Marshal(o)
	if err != nil {
		return r, fmt.Errorf("encode the request: %w", err)
	}
	err = c.do(ctx, call{method: http.MethodPost, path: modelsPath + "/" + url.PathEscape(name) + "/rollout", body: body}, &r)
	return r, err
}

// RemoveModel gives a model of a machine no query any more; those that it has are
// still answered.
func (c *Client) RemoveModel(ctx context.Context, name string) (profile.Model, error) {
	var m profile.Model
	err := c.do(ctx, call{method: http.MethodDelete, path: modelsPath + "/" + url.PathEscape(name)}, &m)
	return m, err
}
