package platform

// StoreFault is a store that cannot be written, with the reason in words that a
// caller may read. It is ErrUnavailable: nothing was stored, and it is worth
// another try once the reason is gone.
type StoreFault struct{ Reason string }

func (f *StoreFault) Error() string { return "the store cannot be written: " + f.Reason }

// Unwrap makes it ErrUnavailable.
func (f *StoreFault) Unwrap() error { return ErrUnavailable }
