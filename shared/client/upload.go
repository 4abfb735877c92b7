package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// inlineBytes is the largest input that Submit sends inside the query: as base64
// in JSON it fits into a body that every stage takes. Larger ones are uploaded first.
const inlineBytes = 700 << 10

// Upload stores an input at the server and returns it by reference, for
// queries whose input is too large to ride in them.
func (c *Client) Upload(ctx context.Context, in query.Input) (query.Input, error) {
	body, err := json.Marshal(map[string]any{"content_type": in.ContentType, "bytes": len(in.Data)})
	if err != nil {
		return in, fmt.Errorf("encode the upload: %w", err)
	}
	var p api.Upload
	ask := call{method: http.MethodPost, path: "v1/uploads", body: body, header: http.Header{"Content-Type": {"application/json"}}}
	if err := c.do(ctx, ask, &p); err != nil {
		return in, fmt.Errorf("request an upload of %d bytes: %w", len(in.Data), err)
	}
	if err := c.put(ctx, p, in.Data); err != nil {
		return in, fmt.Errorf("upload %d bytes: %w", len(in.Data), err)
	}
	return query.Input{ContentType: in.ContentType, URI: p.URI}, nil
}

// put fills a place. Its URL may lead elsewhere, to an object store, which
// must never see the caller's token: the URL itself is what entitles.
func (c *Client) put(ctx context.Context, p api.Upload, data []byte) error {
	at, err := url.Parse(p.URL)
	if err != nil {
		return fmt.Errorf("the server returned an invalid URL for the upload: %w", err)
	}
	h := http.Header{}
	for name, value := range p.Headers {
		h.Set(name, value)
	}
	return c.do(ctx, call{method: p.Method, at: c.base.ResolveReference(at), body: data, header: h}, nil)
}
