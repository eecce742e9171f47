package roll

import (
	"context"

	"hakube/cluster/preflight"
	"hakube/cluster/schedule"
	"hakube/cluster/task"
)

// Fit refuses what would be refused on the way of any master that is made again, and of all
// of them together. scheduled tells that the run says how often masters make backups.
func (p *Plan) Fit(ctx context.Context, base *task.Task, scheduled bool) error {
	if len(p.Rolls) == 0 {
		return nil
	}
	no, err := schedule.Ready(ctx, base.Env, p.Rolls[0].Want.Settings, scheduled)
	if err != nil {
		return no.Besides(err)
	}
	var tasks []*task.Task
	for _, m := range p.Rolls {
		x := Of(base, m)
		found, err := preflight.FitToRoll(ctx, x, m.Object)
		if err == nil {
			err = preflight.Groupable(x)
		}
		if err != nil {
			return no.Besides(err)
		}
		no, tasks = append(no, found...), append(tasks, x)
	}
	more, err := preflight.RoomForGroups(ctx, tasks)
	if no = append(no, more...); err != nil {
		return no.Besides(err)
	}
	if len(no) == 0 {
		err = preflight.Fit(ctx, base)
	}
	return no.Besides(err)
}
