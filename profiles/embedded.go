//go:build !figures

package profiles

import "embed"

//go:embed *.json */catalogue.json fashion/*.onnx fashion/testdata
var embedded embed.FS
