package names

// CollectorHeaders is where SSM keeps, encrypted, the headers of a stage's requests to its
// collector of metrics: name=value, parted by commas.
func CollectorHeaders(stage string) string { return "/paragon-collector/" + stage }
