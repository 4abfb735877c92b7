//go:build rehearse

package rehearse

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/s3url"
)

// Of two models the bucket has other networks than the packages: that of
// fetched is the one that its catalogue gives, and that of refused is not.
const fetched, refused = "logistic", "mlp"

// networks are those two, as the catalogue means them and as they are uploaded.
type networks struct{ fetched, meant, uploaded []byte }

// ofAnother is a network that does what another does and has another digest: a
// field of ONNX that says who made it comes a second time.
func ofAnother(network []byte, maker string) []byte {
	return append(append(bytes.Clone(network), 0x12, byte(len(maker))), maker...)
}

func digest(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// networks reads both out of the product's own.
func (p *play) networks() networks {
	p.t.Helper()
	read := func(model string) []byte {
		data, err := fs.ReadFile(profiles.Embedded(), "fashion/"+model+".onnx")
		must(p.t, err)
		return data
	}
	return networks{ofAnother(read(fetched), "rehearsal"), ofAnother(read(refused), "meant"), ofAnother(read(refused), "uploaded")}
}

// publishProfiles puts profiles where the stack reads them.
func (p *play) publishProfiles() {
	p.t.Helper()
	bucket, below := p.prefix()
	objects := s3.NewFromConfig(p.sdk, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := objects.CreateBucket(p.t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	must(p.t, err)
	put := func(name string, data []byte) {
		key := below + name
		_, err := objects.PutObject(p.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)})
		must(p.t, err)
	}
	n := p.networks()
	put("fashion/"+fetched+".onnx", n.fetched)
	put("fashion/"+refused+".onnx", n.uploaded)
	must(p.t, fs.WalkDir(profiles.Embedded(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".json" {
			return err
		}
		data, err := fs.ReadFile(profiles.Embedded(), name)
		if name == "fashion/catalogue.json" {
			data = p.withDigests(data, map[string]string{fetched: digest(n.fetched), refused: digest(n.meant)})
		}
		put(name, data)
		return err
	}))
}

// prefix is where the stack reads its profiles.
func (p *play) prefix() (bucket, below string) {
	p.t.Helper()
	for _, r := range p.stack.resources {
		if name, _ := r.Properties["FunctionName"].(string); name == names.Function(stage, "api") {
			where, _ := r.Properties["Environment"].(map[string]any)["Variables"].(map[string]any)[environment.Profiles].(string)
			bucket, below, err := s3url.Split(where)
			if err != nil {
				p.t.Fatalf("the stack's profiles_prefix: %v: run `make rehearse`", err)
			}
			return bucket, below
		}
	}
	p.t.Fatal("the stack has no api")
	return "", ""
}

// withDigests gives models of a catalogue other digests.
func (p *play) withDigests(catalogue []byte, of map[string]string) []byte {
	p.t.Helper()
	var c map[string]any
	d := json.NewDecoder(bytes.NewReader(catalogue))
	d.UseNumber()
	must(p.t, d.Decode(&c))
	for _, m := range c["models"].([]any) {
		if sum, ok := of[m.(map[string]any)["name"].(string)]; ok {
			m.(map[string]any)["sha256"] = sum
		}
	}
	out, err := json.Marshal(c)
	must(p.t, err)
	return out
}

// isNotOffered wants the model refused whose network is not the one that was meant: the
// worker has run it before it served, and the refusal says what was meant and what came
// instead.
func (p *play) isNotOffered(model string) {
	p.t.Helper()
	p.until("model "+model+" is not offered, as no worker could run it", func() bool {
		var st struct{ Withheld []struct{ Model string } }
		must(p.t, json.Unmarshal(p.request("GET", "/v1/status", "").Body.Bytes(), &st))
		return len(st.Withheld) == 1 && st.Withheld[0].Model == model
	})
	n, got := p.networks(), p.request("POST", "/v1/queries", asked(model, query.Relaxed, p.inline()))
	for _, says := range []string{model, digest(n.meant), digest(n.uploaded), "fashion/" + model + ".onnx"} {
		if got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), says) {
			p.t.Errorf("a query for a model that cannot be run is answered %d %s, which lacks %q", got.Code, got.Body, says)
		}
	}
}
