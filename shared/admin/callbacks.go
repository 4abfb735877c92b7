package admin

import (
	"context"
	"errors"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/callback"
)

// Callbacks reads how many messages of callbacks wait, and the secrets of a host, or of
// all that the settings name.
func (d *Service) Callbacks(ctx context.Context, host string) (api.Callbacks, error) {
	if d.Backend.Callbacks == nil {
		return api.Callbacks{}, errors.New("this backend keeps callbacks itself")
	}
	out := api.Callbacks{Open: []api.OpenCallback{}, Receivers: []api.Receiver{}}
	st, err := d.Tuned(ctx)
	if err != nil {
		return out, err
	}
	keys, err := d.Keys(ctx)
	if err != nil {
		return out, err
	}
	n, err := d.Backend.Callbacks.WaitingCallbacks(ctx)
	if err != nil {
		return out, err
	}
	out.Waiting = &n
	names := st.Settings.Callbacks().Named()
	if host != "" {
		names = []string{host}
	}
	current := callback.KeysOf(keys.ForCallbacks())[0]
	for _, name := range names {
		out.Receivers = append(out.Receivers, api.Receiver{Host: name, Secret: callback.SecretText(current.Secret(name))})
	}
	return out, nil
}
