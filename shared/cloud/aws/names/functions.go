package names

// FunctionMemory lists the memory sizes in MB, parted by commas, that the
// stage's inference functions have; empty means every size of the catalogue.
const FunctionMemory = "PARAGON_FUNCTION_MEMORY_MB"
