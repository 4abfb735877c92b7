package names

// FunctionMemory lists the memory sizes in MB, parted by commas, that the
// stage's inference functions have; empty means every size of the catalogue.
const FunctionMemory = "PARAGON_FUNCTION_MEMORY_MB"

// SharedRoles lists the names of roles, parted by spaces, whose holders are one
// owner, whatever their sessions are called.
const SharedRoles = "PARAGON_SHARED_ROLES"
