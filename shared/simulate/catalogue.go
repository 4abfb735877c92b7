package simulate

import (
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// Market is what a run is priced by: a catalogue of profiles, with the models,
// the instance type and the function size that are used of it.
type Market struct {
	Name         string // of the market, which every result prints
	Catalogue    *profile.Catalogue
	Models       []string // names; empty means every model of the catalogue that fits
	InstanceType string
	// FunctionMB is the functions' memory; 0 takes for each model the cheapest
	// size whose p95 meets the strict bound.
	FunctionMB int
	Arch       string // of the functions
}

// What Lambda offers.
const leastFunctionMB, mostFunctionMB = 128, 10240

// Layout is how workers are grouped.
type Layout string

// The layouts: a worker hosts every model, or each model has workers of its own.
const (
	Shared   Layout = "shared"
	PerModel Layout = "per_model"
)

// Pools makes the pools of a market; strictMS is the bound that functions are
// sized for.
func (m Market) Pools(layout Layout, strictMS float64) ([]Pool, error) {
	in, ok := m.Catalogue.Instance(m.InstanceType)
	if !ok {
		return nil, fmt.Errorf("catalogue %s has no instance type %q", m.Catalogue.Name, m.InstanceType)
	}
	if m.FunctionMB != 0 && (m.FunctionMB < leastFunctionMB || m.FunctionMB > mostFunctionMB) {
		return nil, invalidf("functions have %d MB, not %d to %d, or 0 for the cheapest that meets the strict bound", m.FunctionMB, leastFunctionMB, mostFunctionMB)
	}
	names := m.Models
	if len(names) == 0 {
		for i := range m.Catalogue.Models {
			names = append(names, m.Catalogue.Models[i].Name)
		}
	}
	shared := Pool{Name: in.Type, InstanceType: in.Type, Runners: in.VCPUs, USDPerHour: in.USDPerHour, Share: 1}
	var each []Pool
	for _, name := range names {
		model, err := m.model(name, strictMS)
		if err != nil {
			return nil, err
		}
		shared.Models = append(shared.Models, model)
		own := shared
		own.Name, own.Models = name, []Model{model}
		each = append(each, own)
	}
	if layout == PerModel {
		return each, nil
	}
	return []Pool{shared}, nil
}

// model is one model on this market's resources.
func (m Market) model(name string, strictMS float64) (Model, error) {
	pm, ok := m.Catalogue.Model(name)
	if !ok {
		return Model{}, fmt.Errorf("catalogue %s has no model %q", m.Catalogue.Name, name)
	}
	vm, ok := m.Catalogue.OnVM(pm, m.InstanceType)
	if !ok {
		return Model{}, fmt.Errorf("catalogue %s does not know %s on %s", m.Catalogue.Name, name, m.InstanceType)
	}
	out := Model{Name: name, ServiceMS: vm.MS.P50, P99MS: vm.MS.P99, Accuracy: pm.Accuracy.Top1Percent}
	mb, err := m.functionMB(pm, strictMS)
	if err != nil {
		return Model{}, err
	}
	fn, ok := m.Catalogue.OnFunction(pm, m.Arch, mb)
	if !ok {
		return Model{}, fmt.Errorf("catalogue %s does not know %s on a function of %d MB", m.Catalogue.Name, name, mb)
	}
	out.MemoryMB, out.FunctionMS, out.ColdMS = mb, fn.MS.P50, fn.ColdMS.P50
	out.USD = pricing.FunctionQueryUSD(m.Catalogue.Prices, m.Arch, mb, out.FunctionMS)
	out.ColdUSD = pricing.FunctionQueryUSD(m.Catalogue.Prices, m.Arch, mb, out.FunctionMS+out.ColdMS)
	return out, nil
}

// functionMB sizes a function as production does: the cheapest that meets the
// bound, else the fastest.
func (m Market) functionMB(pm *profile.Model, strictMS float64) (int, error) {
	if m.FunctionMB > 0 {
		return m.FunctionMB, nil
	}
	sizes := sizing.RankFunctions(m.Catalogue, pm, m.Arch, sizing.Wants{BoundMS: strictMS}, sizing.Warm)
	if len(sizes) == 0 {
		return 0, fmt.Errorf("no function size of catalogue %s on %s holds %s", m.Catalogue.Name, m.Arch, pm.Name)
	}
	return sizes[0].MemoryMB, nil
}
