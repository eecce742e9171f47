package cluster

import (
	"context"
	"time"

	"hakube/cluster/settings"
	"hakube/cluster/status"
)

// Status looks at the cluster and changes nothing. It is an error only when the
// cloud could not be read, or has no such cluster ([*NoCluster]); whatever else
// could not be asked is in the result.
func (c *Cluster) Status(ctx context.Context) (*status.Status, error) {
	s, err := status.Read(ctx, c.run(settings.StatusVerb).Task)
	if err != nil {
		return nil, err
	}
	return s.Conclude(), nil
}

// Validate looks and judges. What could not be asked is not valid. It changes
// nothing; an error is one of Status.
func (c *Cluster) Validate(ctx context.Context) (*status.Validity, error) {
	return status.Validate(ctx, c.run(settings.StatusVerb).Task)
}

// validatePause is between two looks.
const validatePause = 2 * time.Second

// ValidateWithin looks again and again until the cluster is valid, or the time is
// over; what it saw last is the result. told hears each result before that.
func (c *Cluster) ValidateWithin(ctx context.Context, limit time.Duration, told func(*status.Validity, error)) (*status.Validity, error) {
	end := time.Now().Add(limit)
	for {
		v, err := c.Validate(ctx)
		left := time.Until(end)
		if ctx.Err() != nil || err == nil && v.Valid || left <= 0 {
			return v, err
		}
		told(v, err)
		select {
		case <-ctx.Done():
			return v, context.Cause(ctx)
		case <-time.After(min(validatePause, 2*c.deps.Poll, left)):
		}
	}
}
