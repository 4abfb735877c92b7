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
		return api.Callbacks{}, errors.New("this backend has no queue of callbacks: it stores callbacks itself")
	}
	out := api.Callbacks{Open: []api.OpenCallback{}}
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
	out.Receivers = Receivers(callback.KeysOf(keys.ForCallbacks())[0], st.Settings.Callbacks(), host)
	return out, nil
}

// Receivers are the hosts of callbacks with their secrets by a key: those that the setting
// names, or one alone where it is given.
func Receivers(key callback.Key, hosts callback.Hosts, host string) []api.Receiver {
	names := hosts.Named()
	if host != "" {
		names = []string{host}
	}
	out := make([]api.Receiver, 0, len(names))
	for _, name := range names {
		out = append(out, api.Receiver{Host: name, Secret: callback.SecretText(key.Secret(name))})
	}
	return out
}
