package names

// FunctionMemory lists the memory sizes in MB, parted by commas, that the
// stage's inference functions have; empty means every size of the catalogue.
const FunctionMemory = "PARAGON_FUNCTION_MEMORY_MB"

// GenericMemory lists likewise the sizes of the functions that run any added model;
// empty means that there are none.
const GenericMemory = "PARAGON_GENERIC_MEMORY_MB"

// OwnFunctions lists the added models that the deployment made functions of, parted by
// commas, each as its name, "=" and the beginning of its file's SHA-256.
const OwnFunctions = "PARAGON_OWN_FUNCTIONS"

// SharedRoles lists the names of roles, parted by spaces, whose holders are one
// owner, whatever their sessions are called.
const SharedRoles = "PARAGON_SHARED_ROLES"
