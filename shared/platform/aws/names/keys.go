package names

// KeyOwner is what the authorizer calls the owner of a key in what it passes to the
// gateway, which hands it to the api.
const KeyOwner = "owner"

// KeysPath is where SSM keeps the hashes of a stage's keys; an owner's name
// follows it. It lies outside of SettingsPath, as a key is no setting.
func KeysPath(stage string) string { return "/paragon-keys/" + stage + "/" }
