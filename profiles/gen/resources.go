package main

import (
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

const (
	// priceDate is the day of the published price list.
	priceDate = "2026-07-20"
	// typesDate is the day on which the instance types and fees were looked up.
	typesDate = "2026-11-23"
	// c5GHz is the sustained all-core clock of a c5, whose vCPU is the unit of speed.
	c5GHz = 3.4
)

const clockRule = "speed = clock of all cores / 3.4 GHz, the c5's. On Graviton a vCPU is a whole core " +
	"with half as wide vectors: the two are taken to cancel out. Measure the type to replace this rule."

func instances(dir string) (any, error) {
	t, err := readTable(dir, "published/instance_types.csv")
	if err != nil {
		return nil, err
	}
	const priceFile = "published/ec2_ondemand_us-east-1.json"
	var usd map[string]float64
	if err := readJSON(dir, priceFile, &usd); err != nil {
		return nil, err
	}
	var out []profile.Instance
	for _, row := range t.rows {
		typ := t.text(row, "type")
		price, ok := usd[typ]
		if !ok {
			return nil, fmt.Errorf("%s: no price of %s", priceFile, typ)
		}
		source := t.derived("type="+typ, "clock_ghz", typesDate, 1/c5GHz, clockRule)
		source.Hardware = t.text(row, "processor")
		out = append(out, profile.Instance{
			Type: typ, VCPUs: int(t.number(row, "vcpus")), MemoryMB: int(t.number(row, "memory_mb")),
			Arch: t.text(row, "arch"), USDPerHour: price,
			Speed: t.number(row, "clock_ghz") * (1 / c5GHz), Source: source,
			PriceSource: profile.Source{Kind: "published", File: priceFile, Row: typ, Column: typ, Date: priceDate},
		})
	}
	return map[string]any{"$schema": "schema.json", "instances": out}, t.err
}

func functions(dir string) (any, error) {
	t, err := readTable(dir, "published/functions.csv")
	if err != nil {
		return nil, err
	}
	var out []profile.FunctionSizes
	for _, row := range t.rows {
		arch := t.text(row, "arch")
		source := t.published("arch="+arch, "mb_per_vcpu", typesDate)
		source.Note = "CPU in proportion to memory; speed: a vCPU is taken as fast as a c5's until it is measured"
		fetch := t.published("arch="+arch, "s3_mb_per_second", typesDate)
		fetch.Note = "S3's ranges: the first byte after 100 to 200 ms, 85 to 90 MB/s a connection"
		first := func(percentile string) float64 { return t.number(row, "s3_first_byte_ms."+percentile) }
		out = append(out, profile.FunctionSizes{
			Arch: arch, MBPerVCPU: int(t.number(row, "mb_per_vcpu")), Speed: t.number(row, "speed"),
			MemoryMB: []int{256, 512, 1024, 1536, 1769, 2048, 2560, 3008, 3538, 4096, 6144, 8192, 10240}, Source: source,
			Fetch: &profile.Fetch{FirstByteMS: profile.Percentiles{P50: first("p50"), P95: first("p95"), P99: first("p99")}, MBPerSecond: t.number(row, "s3_mb_per_second"), Source: fetch},
		})
	}
	return map[string]any{"$schema": "schema.json", "functions": out}, t.err
}

func prices(dir string) (any, error) {
	t, err := readTable(dir, "published/prices.csv")
	if err != nil {
		return nil, err
	}
	var out []profile.Prices
	for _, row := range t.rows {
		name := t.text(row, "name")
		n := func(column string) float64 { return t.number(row, column) }
		source := t.published("name="+name, "lambda_gb_second_x86_usd", typesDate)
		source.Note = "each figure is in the column of its own name"
		out = append(out, profile.Prices{
			Name: name, Region: t.text(row, "region"),
			LambdaGBSecondX86: n("lambda_gb_second_x86_usd"), LambdaGBSecondARM: n("lambda_gb_second_arm_usd"),
			LambdaPerRequest: n("lambda_per_request_usd"), LambdaGrainMS: n("lambda_grain_ms"),
			EC2MinimumSeconds: n("ec2_minimum_seconds"), SQSPerRequest: n("sqs_per_request_usd"),
			HTTPAPIPerRequest: n("http_api_per_request_usd"), DynamoDBPerWrite: n("dynamodb_per_write_usd"),
			DynamoDBPerRead: n("dynamodb_per_read_usd"), CloudWatchMetricPerMonth: n("cloudwatch_metric_month_usd"),
			CloudWatchGetPerMetricRead: n("cloudwatch_get_metric_usd"), CloudWatchPutPerRequest: n("cloudwatch_put_usd"),
			AlarmPerMonth: n("alarm_month_usd"), DashboardPerMonth: n("dashboard_month_usd"), LogsPerGB: n("logs_gb_usd"),
			EndpointPerHour: n("endpoint_hour_usd"), PublicIPv4PerHour: n("public_ipv4_hour_usd"),
			DiskPerGBMonth: n("disk_gb_month_usd"), HTTPAPITierRequests: n("http_api_tier_requests"), HTTPAPIOverTier: n("http_api_over_tier_usd"),
			HTTPAPIStepKB: n("http_api_step_kb"), SQSStepKB: n("sqs_step_kb"),
			BalancerPerHour: n("alb_hour_usd"), BalancerPerLCUHour: n("alb_lcu_hour_usd"),
			SecretPerMonth: n("secret_month_usd"), SecretPerCall: n("secret_call_usd"),
			S3PerPut: n("s3_put_usd"), S3PerGet: n("s3_get_usd"),
			SchedulePerCall: n("schedule_call_usd"), EndpointPerGB: n("endpoint_gb_usd"), TransferPerGB: n("transfer_gb_usd"), Source: source,
		})
	}
	return map[string]any{"$schema": "schema.json", "prices": out}, t.err
}
