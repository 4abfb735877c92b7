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
// whether it comes out the same, to the byte. It returns the bytes that came out. A
// record by other rules than those of this release is an error: the release that
// wrote it can replay it.
func Replay(stored []byte) (again []byte, same bool, err error) {
	r, err := Read(stored)
	if err != nil {
		return nil, false, err
	}
	if r.Rules != procurement.Rules {
		return nil, false, fmt.Errorf("decision %s was made by version %d of the rules and this release has version %d: replay it with the release that wrote it",
			r.ID, r.Rules, procurement.Rules)
	}
	if r, _, err = Make(r.Case); err != nil {
		return nil, false, err
	}
	again, err = r.Bytes()
	return again, err == nil && bytes.Equal(again, stored), err
}
