package replicate

import (
	"context"
	"encoding/json"
	"fmt"

	"hakube/scripts"
)

// KeptRanges asks from a master which of these ranges of pods' addresses are kept by
// the machines they are of, so that no pod there is reached.
func KeptRanges(ctx context.Context, r *Runner, via Host, ranges ...string) ([]string, error) {
	out, err := r.Run(ctx, via, scripts.PodRoutes, ranges...)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Kept []string `json:"kept"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, fmt.Errorf("reading which pods %s reaches: %w", via.Name, err)
	}
	return answer.Kept, nil
}
