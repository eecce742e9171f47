package ruleset

import (
	"cmp"
	"time"

	"hakube/gce/emulator"
)

// A Verdict is what the probes of a backend amount to.
type Verdict struct {
	Probed, Healthy bool
	against         int // results in a row that speak against healthy
}

// Add takes note of a result, and tells whether the verdict has changed. As on
// Google a new backend is unhealthy until it has answered often enough.
func (v *Verdict) Add(ok bool, c emulator.HealthCheck) (changed bool) {
	v.Probed = true
	if ok == v.Healthy {
		v.against = 0
		return false
	}
	enough := c.Healthy
	if v.Healthy {
		enough = c.Unhealthy
	}
	if v.against++; v.against < enough {
		return false
	}
	v.Healthy, v.against = ok, 0
	return true
}

// WithDefaults fills in what a check leaves open, with Google's defaults.
func WithDefaults(c emulator.HealthCheck) emulator.HealthCheck {
	c.Interval = cmp.Or(c.Interval, 5*time.Second)
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.Healthy, c.Unhealthy = cmp.Or(c.Healthy, 2), cmp.Or(c.Unhealthy, 2)
	c.Path = cmp.Or(c.Path, "/")
	return c
}
