package infra

// throughputRules hold the table of records to the throughput that the context asks
// for, and the others to none.
func throughputRules() []rule {
	return []rule{{"only the records table has the warm throughput of the context", func(a assembly) (bad []string) {
		for _, id := range a.t.of("DynamoDB::Table") {
			w := a.cfg.WarmThroughput
			if id != refers(variables(a.function("api"))["PARAGON_RECORDS_TABLE"]) {
				w = WarmThroughput{}
			}
			t := a.t.Resources[id]
			of, warm := t.prop("WarmThroughput"), w != WarmThroughput{}
			if (of != nil) != warm || warm && (number(at(of, "WriteUnitsPerSecond")) != max(w.Writes, 4000) || number(at(of, "ReadUnitsPerSecond")) != max(w.Reads, 12_000)) {
				bad = append(bad, id)
			}
		}
		return bad
	}, func(a assembly) {
		a.t.Resources[a.t.of("DynamoDB::Table")[0]].Properties["WarmThroughput"] = map[string]any{"WriteUnitsPerSecond": 5000.0}
	}}}
}
