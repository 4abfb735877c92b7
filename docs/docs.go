// Package docs holds the documents that the product itself serves.
package docs

import _ "embed"

// OpenAPI is the description of the HTTP API, in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte
