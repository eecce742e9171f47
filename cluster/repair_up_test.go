package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hakube/cluster/rings"
)

// TestUpOfSick lets one master fail, in each way and with one, two and three of them,
// and runs validate and up: validate says no and which command to run, up ends well or
// says what to do instead. No ring has lost a voter by it.
func TestUpOfSick(t *testing.T) {
	for masters := 1; masters <= 3; masters++ {
		for i, f := range failures {
			if testing.Short() && (i+masters)%26 != 0 || f.name == partitioned && masters == 1 {
				continue
			}
			t.Run(fmt.Sprintf("masters=%d/%s", masters, f.name), func(t *testing.T) {
				c := newSick(t, masters)
				f.happen(c, c.patient)
				v, err := c.o.Validate(context.Background())
				c.must(err)
				if v.Valid {
					t.Error("it is valid")
				}
				t.Logf("validate: %+v", v.Problems)
				before := c.voters()

				// What waits in vain is not waited for.
				hurried := c.o.by(func(d time.Duration) <-chan time.Time { return time.After(min(d, 2*time.Second)) })
				_, err = hurried.Up(context.Background(), c.events())
				var hint interface{ Hint() string }
				switch {
				case err == nil:
					t.Log("up ends well")
					return
				case !errors.As(err, &hint):
					t.Errorf("up ends with no hint: %v", err)
				case !strings.Contains(hint.Hint(), "hakube repair") && !strings.Contains(hint.Hint(), "hakube status") && !strings.Contains(hint.Hint(), "hakube down"):
					t.Errorf("up ends with %v\nhint: %s", err, hint.Hint())
				default:
					t.Logf("up ends with: %v\nhint: %s", err, hint.Hint())
				}
				if after := c.voters(); after != before && before != "" && after != "" {
					t.Errorf("the voters are %s, were %s", after, before)
				}
			})
		}
	}
}

// voters are those of both rings, "" where nobody tells.
func (c *sickCluster) voters() string {
	c.t.Helper()
	s, err := c.o.Status(context.Background())
	c.must(err)
	text := ""
	for _, ring := range rings.Names {
		for _, x := range s.Rings[ring] {
			if x.Voter {
				text += ring + " " + x.Member + ", "
			}
		}
	}
	return text
}
