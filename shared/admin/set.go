package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

// anyVersion is for a change whatever the settings are.
const anyVersion = -1

// Set changes a setting and returns it with the value that it had before. ErrUnknown,
// and ErrBadSetting of a value that could not take effect, which is not stored.
func (d *Service) Set(ctx context.Context, name, value string) (api.Setting, error) {
	return d.SetIfUnchanged(ctx, name, value, anyVersion)
}

// SetIfUnchanged is Set if the settings have still the version given: ErrChanged, with
// nothing stored, when any of them was changed since. Changes come one after the other,
// so that of two with one version one is refused. A change costs one read and two writes
// besides its own.
func (d *Service) SetIfUnchanged(ctx context.Context, name, value string, version int64) (out api.Setting, err error) {
	f, err := field(name)
	if err != nil {
		return api.Setting{}, err
	}
	if err := settings.Check(name, value); err != nil {
		return api.Setting{}, because{err, ErrBadSetting}
	}
	err = d.alone(ctx, func() error {
		now, err := Read(d.Backend.Settings)(ctx)
		switch {
		case err != nil:
			return err
		case version != anyVersion && now.Version != version:
			return fmt.Errorf("the settings have version %d, not %d: %w", now.Version, version, ErrChanged)
		}
		out = d.settingOf(f, value)
		out.Before = f.Of(now.Settings)
		return d.Backend.Settings.Set(ctx, name, value)
	})
	return out, err
}

// editing is the name of the shared value that says until when somebody changes the
// settings.
const editing = "settings-edit"

const (
	// editTime is how long a change may take; one that died holds up others as long.
	editTime = 5 * time.Second
	// editPause is between two tries to begin a change.
	editPause = 50 * time.Millisecond
)

// edit is what the shared value holds: zero when nobody changes the settings.
type edit struct {
	Until time.Time `json:"until"`
}

// alone runs do while nobody else changes the settings. ErrChanged when others do so
// for editTime.
func (d *Service) alone(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, editTime, fmt.Errorf("other processes are changing the settings: %w", ErrChanged))
	defer cancel()
	version, err := d.beginEdit(ctx)
	for errors.Is(err, platform.ErrConflict) {
		if settle.Sleep(ctx, editPause) != nil {
			return context.Cause(ctx)
		}
		version, err = d.beginEdit(ctx)
	}
	if err != nil {
		return err
	}
	err = do()
	none, _ := json.Marshal(edit{})                                                        // of a struct of a time
	_, _ = d.Backend.Shared.SwapShared(context.WithoutCancel(ctx), editing, none, version) // else it ends by itself
	return err
}

// beginEdit notes that this process changes the settings. platform.ErrConflict when
// another does.
func (d *Service) beginEdit(ctx context.Context) (version int64, err error) {
	text, version, err := d.Backend.Shared.ReadShared(ctx, editing)
	if err != nil {
		return 0, err
	}
	var e edit
	if len(text) > 0 {
		if err := json.Unmarshal(text, &e); err != nil {
			return 0, fmt.Errorf("read the lock on the settings: %w", err)
		}
	}
	now := d.Now()
	if now.Before(e.Until) {
		return 0, platform.ErrConflict
	}
	mine, err := json.Marshal(edit{Until: now.Add(editTime)})
	if err != nil {
		return 0, err
	}
	return d.Backend.Shared.SwapShared(ctx, editing, mine, version)
}
