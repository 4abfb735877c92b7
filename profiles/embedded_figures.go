//go:build figures

package profiles

import "embed"

// The caller who chooses and prices needs no network: built with the tag figures, a
// function is smaller by all of them, and so is what a cold start fetches.
//
//go:embed *.json */catalogue.json
var embedded embed.FS
