package machine

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/paragon-serving/paragon/shared/stage"
)

// keysFile holds the keys that sign query ids and receipts. An id outlives the
// process that gave it, so that the keys stay with the data.
const keysFile = "signing-keys.json"

// openKeys reads the signing keys, and makes them the first time.
func (m *Machine) openKeys() error {
	text, err := m.openSecret(keysFile, makeKeys)
	if err != nil {
		return fmt.Errorf("the signing keys: %w", err)
	}
	if m.keys, err = stage.ParseKeySet(text); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(m.cfg.DataDir, keysFile), err)
	}
	m.keySet = string(text)
	return nil
}

func makeKeys() ([]byte, error) {
	set, err := stage.NewKeySet(rand.Reader)
	if err != nil {
		return nil, err
	}
	return json.Marshal(set)
}
