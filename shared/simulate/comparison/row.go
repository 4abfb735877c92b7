package comparison

import (
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// Row is what a scheme came to on a trace. Costs are in US dollars. CostUSD is what
// the schemes decide on, workers and functions, and so are the references. BillUSD
// is the whole of it, with the machinery: gateway, queues, store and what else a
// query takes by the way it is answered.
type Row struct {
	Trace        string  `json:"trace"`
	Scheme       string  `json:"scheme"`
	Queries      int64   `json:"queries"`
	CostUSD      float64 `json:"cost_usd"`
	VMUSD        float64 `json:"vm_usd"`
	LambdaUSD    float64 `json:"lambda_usd"`
	MachineryUSD float64 `json:"machinery_usd"`
	BillUSD      float64 `json:"bill_usd"`
	// Machinery is MachineryUSD by path. WithoutGateway is the bill of those whose
	// callers reach the balancer, or a function, without the gateway.
	Machinery          simulate.Paths `json:"machinery"`
	WithoutGatewayUSD  float64        `json:"bill_without_gateway_usd"`
	SLOViolation       float64        `json:"slo_violation_ratio"`
	StrictViolation    float64        `json:"strict_violation_ratio"`
	RelaxedViolation   float64        `json:"relaxed_violation_ratio"`
	VMHours            float64        `json:"vm_hours"`
	OverflowRatio      float64        `json:"overflow_ratio"`
	BoundUSD           float64        `json:"bound_usd"`
	ClairvoyantUSD     float64        `json:"clairvoyant_usd"`
	ClairvoyantNoDefer float64        `json:"clairvoyant_nodefer_usd"`
	// LinearUSD is what the clairvoyant's linear program costs: no schedule that keeps
	// the bounds costs less. ClairvoyantGap is the clairvoyant's cost relative to it.
	LinearUSD          float64  `json:"linear_usd"`
	ClairvoyantGap     float64  `json:"clairvoyant_gap"`
	RatioToClairvoyant float64  `json:"ratio_to_clairvoyant"`
	RatioToBound       float64  `json:"ratio_to_bound"`
	PriceRatio         float64  `json:"price_ratio"`
	Catalogue          string   `json:"catalogue"`
	ColdRatio          float64  `json:"cold_ratio"` // of all queries
	WorkersAtStart     int      `json:"workers_at_start"`
	InterruptedWorkers int64    `json:"interrupted_workers,omitempty"`
	UnansweredQueries  int64    `json:"unanswered_queries,omitempty"` // expired, or still there at the end
	RejectedQueries    int64    `json:"rejected_queries,omitempty"`   // 429, by a rival's platform
	Seed               uint64   `json:"seed"`
	Settings           Settings `json:"settings"`
	RelativeToReactive float64  `json:"relative_to_reactive,omitempty"`
	// StaticEstimate is how well paragon predicted how long static load lasts;
	// nil for the other schemes.
	StaticEstimate *simulate.StaticEstimate `json:"static_estimate,omitempty"`
}

// Settings are all that a run depended on besides its trace and seed.
type Settings struct {
	Scaling          string            `json:"scaling"`
	FromSeconds      float64           `json:"from_seconds"`
	ForSeconds       float64           `json:"for_seconds"`
	WarmupSeconds    float64           `json:"warmup_seconds"`
	Layout           simulate.Layout   `json:"layout"`
	InstanceType     string            `json:"instance_type"`
	FunctionMB       int               `json:"function_mb"`
	StrictShare      float64           `json:"strict_share"`
	StrictMS         float64           `json:"strict_ms"`
	RelaxedMS        float64           `json:"relaxed_ms"`
	MetricDelay      float64           `json:"metric_delay_seconds"`
	ColdStarts       bool              `json:"cold_starts"`
	KeepAliveSeconds float64           `json:"keep_alive_seconds"`
	MinimumSeconds   float64           `json:"minimum_billed_seconds"`
	LambdaGrainMS    float64           `json:"lambda_grain_ms"`
	PriceFactor      float64           `json:"function_price_factor"`
	Spot             simulate.Spot     `json:"spot"`
	Scheme           map[string]string `json:"scheme"` // the tunables that differ from their defaults
	VMBootSeconds    float64           `json:"vm_boot_seconds"`
	TickSeconds      float64           `json:"tick_seconds"`
	Warm             int               `json:"warm,omitempty"` // instances that are prepared and stopped
}

func (c Case) row(s procurement.Scheme, r simulate.Result) Row {
	b := r.Bill
	row := Row{
		BillUSD: b.Total(), Machinery: b.Paths, WithoutGatewayUSD: b.Total() - b.Gateway,
		Trace: c.Name, Scheme: s.Name(), Queries: r.Arrived(), CostUSD: b.Workers + b.Functions, VMUSD: b.Workers,
		LambdaUSD: b.Functions, MachineryUSD: b.Machinery, SLOViolation: r.MissedRatio(),
		StrictViolation: r.Strict.Ratio(), RelaxedViolation: r.Relaxed.Ratio(), VMHours: r.VMSeconds / 3600,
		OverflowRatio: r.OverflowRatio(), PriceRatio: r.PriceRatio, Catalogue: c.Market.Name, WorkersAtStart: r.StartWorkers,
		InterruptedWorkers: r.Interrupted, UnansweredQueries: r.InSystem + r.Strict.Expired + r.Relaxed.Expired,
		RejectedQueries: r.Strict.Rejected + r.Relaxed.Rejected, Seed: c.Seed, Settings: c.settings(r),
	}
	if r.Arrived() > 0 {
		row.ColdRatio = float64(r.Cold) / float64(r.Arrived())
	}
	return row
}

func (c Case) settings(r simulate.Result) Settings {
	factor := c.PriceFactor
	if factor == 0 {
		factor = 1
	}
	warm := 0
	if c.AsDeployed != nil {
		warm = c.AsDeployed.Warm
	}
	return Settings{
		Warm: warm, Scaling: c.Scaling, FromSeconds: c.From.Seconds(), ForSeconds: r.Seconds, WarmupSeconds: c.Warmup.Seconds(), Layout: c.Layout,
		InstanceType: c.Market.InstanceType, FunctionMB: c.Market.FunctionMB, StrictShare: c.StrictShare, StrictMS: c.StrictMS,
		RelaxedMS: c.RelaxMS, MetricDelay: c.MetricDelay.Seconds(), ColdStarts: c.ColdStarts, KeepAliveSeconds: c.KeepAliveSeconds,
		MinimumSeconds: c.MinimumSeconds, LambdaGrainMS: c.Market.Catalogue.Prices.LambdaGrainMS, PriceFactor: factor, Spot: c.Spot,
		Scheme: changed(c.Settings), VMBootSeconds: c.Settings.VMBootSeconds, TickSeconds: c.Settings.TickSeconds,
	}
}

// changed lists the tunables that differ from their defaults.
func changed(s settings.Settings) map[string]string {
	out := map[string]string{}
	for _, f := range settings.Fields() {
		if v := f.Of(s); v != f.Of(settings.Defaults()) {
			out[f.Name] = v
		}
	}
	return out
}

// against compares the row with the references.
func (r *Ran) against(known, plain simulate.Result, linearUSD float64) {
	r.Row.LinearUSD = linearUSD
	r.Row.ClairvoyantUSD = known.Bill.Workers + known.Bill.Functions
	r.Row.ClairvoyantNoDefer = plain.Bill.Workers + plain.Bill.Functions
	r.Row.ClairvoyantGap = Ratio(r.Row.ClairvoyantUSD, linearUSD)
	r.Row.RatioToClairvoyant = Ratio(r.Row.CostUSD, r.Row.ClairvoyantUSD)
	for _, h := range known.Hours {
		r.ClairvoyantHours = append(r.ClairvoyantHours, h.Bill.Workers+h.Bill.Functions)
	}
}

// Ratio is a / b, and 0 where b is not above 0.
func Ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

// Relate sets each row's cost relative to reactive's on the same trace and catalogue.
func Relate(rows []Ran) {
	reactive := map[string]float64{}
	for _, r := range rows {
		if r.Row.Scheme == "reactive" {
			reactive[r.Row.Trace+r.Row.Catalogue] = r.Row.CostUSD
		}
	}
	for i := range rows {
		rows[i].Row.RelativeToReactive = Ratio(rows[i].Row.CostUSD, reactive[rows[i].Row.Trace+rows[i].Row.Catalogue])
	}
}
