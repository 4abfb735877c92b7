package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/proof"
)

const (
	// proofsName is the shared value that holds which models could be run.
	proofsName = "models-run"
	// proofTries bounds the tries to write it, while others write it too.
	proofTries = 10
)

// ReadProofs reads which models of a stage could be run.
func ReadProofs(ctx context.Context, s Shared) (proof.Book, error) {
	b, _, err := readProofs(ctx, s)
	return b, err
}

func readProofs(ctx context.Context, s Shared) (b proof.Book, version int64, err error) {
	text, version, err := s.ReadShared(ctx, proofsName)
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read which models could be run: %w", err)
	}
	return b, version, nil
}

// AddProofs adds results of a platform, by the models' digests.
func AddProofs(ctx context.Context, s Shared, platform string, results map[string]proof.Result, now time.Time) error {
	for try := 1; ; try++ {
		b, version, err := readProofs(ctx, s)
		if err != nil {
			return err
		}
		text, err := json.Marshal(b.With(platform, results, now))
		if err != nil {
			return fmt.Errorf("write which models could be run: %w", err)
		}
		if _, err = s.SwapShared(ctx, proofsName, text, version); err == nil {
			return nil
		}
		if !errors.Is(err, ErrConflict) || try == proofTries {
			return fmt.Errorf("write which models could be run: %w", err)
		}
	}
}
