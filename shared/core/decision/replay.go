package decision

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/procurement"
)

// Bytes are the record as JSON: the same record, the same bytes.
func (r Record) Bytes() ([]byte, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write decision %s: %w", r.ID, err)
	}
	return raw, nil
}

// Read reads a record's bytes.
func Read(raw []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("read decision: %w", err)
	}
	return r, nil
}

// Replay makes a stored decision again from what it was made from, and reports
// whether it comes out the same, to the byte. It returns the bytes that came out.
// Settings that this version no longer has are kept as they are stored, and a
// record of the first version of the rules is made again by those.
func Replay(stored []byte) (again []byte, same bool, err error) {
	r, err := Read(stored)
	if err != nil {
		return nil, false, err
	}
	if r, err = makeAgain(r, stored); err != nil {
		return nil, false, err
	}
	if again, err = r.Bytes(); err != nil || bytes.Equal(again, stored) {
		return again, err == nil, err
	}
	if again, err = withSettingsOf(stored, again, r); err != nil {
		return nil, false, err
	}
	return again, bytes.Equal(again, stored), nil
}

// makeAgain decides a record's case by the rules of the version that wrote it.
func makeAgain(r Record, stored []byte) (Record, error) {
	if r.Rules >= procurement.Rules {
		again, _, err := Make(r.Case)
		return again, err
	}
	scheme, err := r.Case.scheme()
	if err != nil {
		return r, err
	}
	var old struct {
		Case struct {
			Settings struct{ HedgeAheadSeconds float64 } `json:"settings"`
		} `json:"case"`
	}
	if err := json.Unmarshal(stored, &old); err != nil {
		return r, fmt.Errorf("read the settings of a decision: %w", err)
	}
	again, _ := MakeBy(procurement.ByRules(scheme, r.Rules, old.Case.Settings.HedgeAheadSeconds), r.Case)
	again.Rules = r.Rules
	return again, nil
}

// withSettingsOf puts the settings of a stored record, as their bytes are, in the
// place of those of the record that was made again: a decision reads few of
// them, and one that was taken out of the product since changes nothing.
func withSettingsOf(stored, again []byte, r Record) ([]byte, error) {
	var old struct {
		Case struct {
			Settings json.RawMessage `json:"settings"`
		} `json:"case"`
	}
	if err := json.Unmarshal(stored, &old); err != nil {
		return nil, fmt.Errorf("read the settings of decision %s: %w", r.ID, err)
	}
	now, err := json.Marshal(r.Case.Settings)
	if err != nil {
		return nil, fmt.Errorf("write the settings of decision %s: %w", r.ID, err)
	}
	return bytes.Replace(again, now, old.Case.Settings, 1), nil
}
