package main

import (
	"errors"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// takenDate is the day on which the published tables were taken over; when
// their authors measured is not published with them.
const takenDate = "2026-11-23"

const (
	singleRule = "one value is published, without a spread: p50, p95 and p99 all have this value"
	kerasRule  = "published with the slots of a c5.xlarge, without the number of threads: taken as one thread on one vCPU; " + singleRule
	wholeRule  = "measured one query at a time on the whole c5.large: one thread takes at most its 2 vCPUs times as long, " +
		"which is the worst for the VM; " + singleRule
	twiceRule  = "twice the weights: the loaded file and the packed copy"
	leastRule  = "the least function memory at which it was measured"
	resNeXtVM  = "no published latency: taken as ResNet50's, which does as many multiply-adds; " + singleRule
	resNeXtFns = "no published latency: taken as MXNet ResNet-50's fitted service time; " + singleRule
)

// imagenet builds the catalogue of the paper's models from published tables.
func imagenet(dir string) (any, error) {
	p, err := readPublished(dir)
	if err != nil {
		return nil, err
	}
	f := profile.File{
		Schema: "../schema.json",
		Name:   "imagenet", Prices: "us-east-1-2026",
		Reference: profile.Reference{
			Hardware: "one vCPU of a c5", Speed: 1,
			Source: p.types.published("type=c5.large", "clock_ghz", typesDate),
		},
		FunctionMemoryMB: []int{256, 512, 1024, 1280, 1536, 1769, 2048, 2560, 3008},
		Tasks:            []profile.Task{{Name: "imagenet", Labels: []string{}}},
	}
	for _, row := range p.cocktail.rows {
		f.Models = append(f.Models, p.keras(p.cocktail.text(row, "model")))
	}
	for _, m := range inferAllModels {
		f.Models = append(f.Models, p.mxnet(m.name, m.row))
	}
	f.Models = append(f.Models, p.resNeXt(), p.inceptionV4())
	return f, errors.Join(p.cocktail.err, p.kerasApps.err, p.vm.err, p.lambda.err, p.cold.err, p.batch.err, p.mxnetTop1.err,
		p.types.err, p.openVINO.err)
}

// inferAllModels are the models of InferAll under the names used here; those
// with -MXNet have a namesake measured with Keras.
var inferAllModels = []struct{ name, row string }{
	{"SqueezeNet", "squeeznet"}, {"CaffeNet", "caffenet"}, {"Inception-BN", "inception"},
	{"VGG16-MXNet", "vggnet16"}, {"ResNet200", "resnet200"},
}

// coldRows are the rows of the cold starts that were published.
var coldRows = map[string]string{
	"SqueezeNet": "Squeezenet", "CaffeNet": "Caffenet", "Inception-BN": "Inception", "ResNet200": "Resnet-200",
}

// publishedTables are the tables that the catalogue is made from.
type publishedTables struct {
	cocktail, kerasApps, vm, lambda, cold, batch, mxnetTop1, types, openVINO *table
}

func readPublished(dir string) (p publishedTables, err error) {
	for file, into := range map[string]**table{
		"cocktail_models": &p.cocktail, "keras_applications": &p.kerasApps, "inferall_vm_latency_ms": &p.vm,
		"inferall_lambda_latency_ms": &p.lambda, "lambda_cold_start_mxnet": &p.cold, "mxnet_pretrained": &p.mxnetTop1,
		"batch_sc20_lambda_service_time": &p.batch, "instance_types": &p.types, "openvino_models": &p.openVINO,
	} {
		t, err := readTable(dir, "published/"+file+".csv")
		if err != nil {
			return p, err
		}
		*into = t
	}
	return p, nil
}

// keras is one of the twelve models of the paper's first figure.
func (p *publishedTables) keras(name string) profile.Model {
	row := "model=" + name
	ms := p.cocktail.cell(row, "latency_ms")
	return profile.Model{
		Name: name, Task: "imagenet",
		Accuracy: profile.Accuracy{
			Top1Percent: p.cocktail.cell(row, "top1_published"),
			Source:      p.cocktail.published(row, "top1_published", takenDate),
		},
		MemoryMB:     int(2 * p.kerasApps.cell(row, "size_mb")),
		MemorySource: p.kerasApps.derived(row, "size_mb", takenDate, 2, twiceRule),
		Latency:      []profile.Latency{oneThread(ms, p.cocktail.derived(row, "latency_ms", takenDate, 1, kerasRule))},
	}
}

func oneThread(ms float64, s profile.Source) profile.Latency {
	return profile.Latency{Resource: "reference", Threads: 1, Batch: 1, MS: flat(ms), Source: s}
}

// flat is a duration of which only one figure is known.
func flat(ms float64) profile.Percentiles { return profile.Percentiles{P50: ms, P95: ms, P99: ms} }

// mxnet is a model that was measured on VMs and functions alike.
func (p *publishedTables) mxnet(name, row string) profile.Model {
	largest := "model=" + row + ",instance(inferred from price)=c5.large,batch=1"
	m := profile.Model{
		Name: name, Task: "imagenet",
		Accuracy: profile.Accuracy{
			Top1Percent: p.vm.cell(largest, "top1"), Source: p.vm.published(largest, "top1", takenDate),
		},
		Latency: []profile.Latency{
			oneThread(2*p.vm.cell(largest, "latency_ms"), p.vm.derived(largest, "latency_ms", takenDate, 2, wholeRule)),
		},
	}
	p.onWholeVMs(&m, row)
	p.onFunctions(&m, row)
	return m
}

// onWholeVMs adds the figures as published: one query on all vCPUs.
func (p *publishedTables) onWholeVMs(m *profile.Model, row string) {
	for _, vm := range []struct {
		typ   string
		vcpus int
	}{{"c5.large", 2}, {"c5.xlarge", 4}, {"c5.2xlarge", 8}} {
		selector := fmt.Sprintf("model=%s,instance(inferred from price)=%s,batch=1", row, vm.typ)
		source := p.vm.published(selector, "latency_ms", takenDate)
		source.Note = "the instance is inferred from the price; " + singleRule
		m.Latency = append(m.Latency, profile.Latency{
			Resource: vm.typ, Threads: vm.vcpus, Batch: 1, MS: flat(p.vm.cell(selector, "latency_ms")), Source: source,
		})
	}
}

// onFunctions adds the function sizes that were measured, and the memory that
// the least of them shows to be enough.
func (p *publishedTables) onFunctions(m *profile.Model, row string) {
	for _, r := range p.lambda.where("model=" + row + ",batch=1") {
		mb := int(p.lambda.number(r, "lambda_memory_mb"))
		selector := fmt.Sprintf("model=%s,lambda_memory_mb=%d,batch=1", row, mb)
		source := p.lambda.published(selector, "latency_ms", takenDate)
		source.Note = singleRule
		if m.MemoryMB == 0 || mb < m.MemoryMB {
			m.MemoryMB = mb
			m.MemorySource = p.lambda.derived(selector, "lambda_memory_mb", takenDate, 1, leastRule)
		}
		l := profile.Latency{
			Resource: "lambda-x86_64", MemoryMB: mb, Threads: 1, Batch: 1,
			MS: flat(p.lambda.number(r, "latency_ms")), Source: source,
		}
		p.coldStart(m.Name, &l)
		m.Latency = append(m.Latency, l)
	}
}

// coldStart adds what a cold start takes more than a warm run, where it was
// published; at which memory is not.
func (p *publishedTables) coldStart(name string, l *profile.Latency) {
	row, ok := coldRows[name]
	if !ok {
		return
	}
	selector := "model=" + row
	extra := flat(p.cold.cell(selector, "cold_total_ms") - p.cold.cell(selector, "warm_total_ms"))
	source := p.cold.derived(selector, "cold_total_ms - warm_total_ms", takenDate, 1, "the memory is not published; "+singleRule)
	l.ColdMS, l.ColdSource = &extra, &source
}

// resNeXt is ResNeXt-50, whose accuracy alone is published.
func (p *publishedTables) resNeXt() profile.Model {
	const row = "model=ResNeXt-50"
	m := profile.Model{
		Name: "ResNeXt50", Task: "imagenet",
		Accuracy: profile.Accuracy{
			Top1Percent: p.mxnetTop1.cell(row, "top1"), Source: p.mxnetTop1.published(row, "top1", takenDate),
		},
		MemoryMB:     int(2 * p.mxnetTop1.cell(row, "download_mb")),
		MemorySource: p.mxnetTop1.derived(row, "download_mb", takenDate, 2, twiceRule),
		Latency: []profile.Latency{
			oneThread(p.cocktail.cell("model=ResNet50", "latency_ms"), p.cocktail.derived("model=ResNet50", "latency_ms", takenDate, 1, resNeXtVM)),
		},
	}
	p.fitted(&m, "mxnet-resnet50", resNeXtFns)
	return m
}

// inceptionV4 was measured on functions alone.
func (p *publishedTables) inceptionV4() profile.Model {
	const row = "model=googlenet-v4-tf"
	m := profile.Model{
		Name: "InceptionV4", Task: "imagenet",
		Accuracy: profile.Accuracy{
			Top1Percent: p.openVINO.cell(row, "top1"), Source: p.openVINO.published(row, "top1", takenDate),
		},
	}
	p.fitted(&m, "TF-inceptionV4", "a fit, in its authors' words valid from 1280 to 3008 MB; "+singleRule)
	least := "model=TF-inceptionV4,lambda_memory_mb=1280,batch=1"
	m.MemoryMB, m.MemorySource = 1280, p.batch.derived(least, "lambda_memory_mb", takenDate, 1, leastRule)
	return m
}

// fitted adds BATCH's service times on functions.
func (p *publishedTables) fitted(m *profile.Model, row, rule string) {
	for _, r := range p.batch.where("model=" + row + ",batch=1") {
		mb := int(p.batch.number(r, "lambda_memory_mb"))
		selector := fmt.Sprintf("model=%s,lambda_memory_mb=%d,batch=1", row, mb)
		m.Latency = append(m.Latency, profile.Latency{
			Resource: "lambda-x86_64", MemoryMB: mb, Threads: 1, Batch: 1,
			MS:     flat(1000 * p.batch.number(r, "service_s")),
			Source: p.batch.derived(selector, "service_s", takenDate, 1000, rule),
		})
	}
}
