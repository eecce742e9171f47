package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"hakube/cluster"
)

// rings is the order of the rings on a page.
var rings = []string{"main", "events"}

// statusPage is a status for a person at three in the morning: what is there, who
// has the address, what may still fail, and last, where the eye ends up, what to
// run.
func statusPage(s *cluster.Status) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "cluster %s in project %s, region %s\n\n", s.Cluster, s.Project, dash(s.Region))
	table(&b, "MASTER\tZONE\tSTATE\tNODE\tVERSION\tBALANCER\tWHY", len(s.Masters), func(w io.Writer, i int) {
		m := s.Masters[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, m.Zone, m.State, m.Node, dash(m.Version), behindBalancer(s.Balancer, m), firstLine(m.Why))
	})
	groupLines(&b, s)
	table(&b, "POOL\tNODES\tREADY\tVERSION\tWHY", len(s.Pools), func(w io.Writer, i int) {
		p := s.Pools[i]
		ready := "unknown"
		if p.Ready != nil {
			ready = strconv.Itoa(*p.Ready)
		}
		why := firstLine(p.Why)
		if p.Leaving > 0 {
			why = strings.TrimSuffix(fmt.Sprintf("%d more are being removed; %s", p.Leaving, why), "; ")
		}
		nodes := strconv.Itoa(p.Nodes)
		if p.Most != nil { // the cluster autoscaler's limits
			nodes += fmt.Sprintf(" (%d to %d)", *p.Least, *p.Most)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", strings.TrimSpace(p.Zone+" "+p.Name), nodes, ready, dash(strings.Join(p.Versions, " ")), why)
	})
	table(&b, "ADDON\tVERSION\tSTATE", len(s.Addons), func(w io.Writer, i int) {
		a := s.Addons[i]
		state := "ready"
		if !a.Healthy {
			state = firstLine(a.Why)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", a.Name, dash(a.Version), state)
	})
	ringTable(&b, s)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "address\t%s\n", addressLine(s.Address))
	for _, ring := range rings {
		fmt.Fprintf(w, "quorum %s\t%s\n", ring, quorumLine(s, ring))
	}
	if len(s.Certificates) > 0 {
		c := s.Certificates[0]
		fmt.Fprintf(w, "certificates\tthe first of %d to end is %s of %s, on %s\n", len(s.Certificates), c.Name, c.Master, c.Ends.Format(time.DateOnly))
	}
	if s.Backup != nil {
		fmt.Fprintf(w, "backup\t%s\n", backupLine(s.Backup))
	}
	if s.Snapshots != nil {
		fmt.Fprintf(w, "snapshots\t%s\n", snapshotLine(s.Snapshots))
	}
	fmt.Fprintf(w, "verdict\t%s\n", verdict(s))
	_ = w.Flush() // into memory
	if len(s.Warnings) > 0 {
		b.WriteByte('\n')
	}
	for _, text := range s.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", strings.ReplaceAll(text, "\n\t", "\n      "))
	}
	if len(s.Unfinished) > 0 {
		b.WriteString("\nunfinished, and what ends it:\n")
	}
	for _, x := range s.Unfinished {
		fmt.Fprintf(&b, "  %s\n      %s\n", x.Step, x.Command)
		if x.Or != "" {
			fmt.Fprintf(&b, "   or %s\n", x.Or)
		}
	}
	return b.Bytes()
}

// backupLine is what would be lost with all masters.
func backupLine(b *cluster.BackupStatus) string {
	every := ""
	if b.Every != "" {
		every = "masters make one every " + b.Every + "; "
	}
	if b.Newest == nil {
		return every + "no verified one is in " + b.Place + ": all would be lost with the masters' disks"
	}
	return every + fmt.Sprintf("the newest verified one is %s old: what was written since would be lost with the masters' disks (%s)", ageText(time.Duration(*b.Newest.Age)*time.Second), b.Newest.Where)
}

// snapshotLine is what Compute Engine keeps of masters' data disks.
func snapshotLine(x *cluster.SnapshotStatus) string {
	if x.Newest == nil {
		return "of masters' data disks, " + x.Schedule + "; none is there yet"
	}
	return fmt.Sprintf("of masters' data disks, %s: %d are kept, the newest is %s old and tried by nobody (%s)", x.Schedule, x.Kept, ageText(time.Duration(*x.Newest.Age)*time.Second), x.Newest.Where)
}

// table prints n rows under a heading, and nothing at all without rows.
func table(b *bytes.Buffer, heading string, n int, row func(io.Writer, int)) {
	if n == 0 {
		return
	}
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, heading)
	for i := range n {
		row(w, i)
	}
	_ = w.Flush() // into memory
	for line := range strings.Lines(text.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	b.WriteByte('\n')
}

func ringTable(b *bytes.Buffer, s *cluster.Status) {
	type row struct {
		ring string
		cluster.RingMember
	}
	var rows []row
	for _, ring := range rings {
		for _, m := range s.Rings[ring] {
			rows = append(rows, row{ring, m})
		}
	}
	table(b, "RING\tMEMBER\tROLE\tHEALTHY\tBEHIND\tWHY", len(rows), func(w io.Writer, i int) {
		m := rows[i]
		role, healthy, behind := "voter", "no", "unknown"
		switch {
		case m.Leader:
			role = "leader"
		case !m.Voter:
			role = "learner"
		}
		if m.Healthy {
			healthy = "yes"
		}
		if m.Behind != nil {
			behind = strconv.FormatInt(*m.Behind, 10)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", m.ring, m.Member, role, healthy, behind, firstLine(m.Why))
	})
}

func addressLine(a cluster.AddressStatus) string {
	if a.IP == "" {
		return "none is reserved"
	}
	text := a.IP + " on "
	switch a.Holder {
	case cluster.HolderBalancer:
		text += "the balancer"
	case cluster.HolderNobody:
		return a.IP + " on nothing: the API is dark"
	default:
		text += a.Holder
	}
	if a.Ready {
		return text + ", the API is ready"
	}
	return text + ", the API is not ready: " + firstLine(a.Why)
}

// groupLines say who looks after masters' machines, where anybody does.
func groupLines(w io.Writer, s *cluster.Status) {
	by := map[string][]string{}
	for _, m := range s.Masters {
		by[m.Group] = append(by[m.Group], m.Name)
	}
	if len(by["none"]) == len(s.Masters) {
		return
	}
	for _, x := range []struct{ group, text string }{
		{"watches", "made again by their groups when they are gone"}, {"idle", "left alone by their groups for now"}, {"none", "in no group"},
	} {
		if len(by[x.group]) > 0 {
			fmt.Fprintf(w, "%s: %s\n", x.text, strings.Join(by[x.group], ", "))
		}
	}
	fmt.Fprintln(w)
}

// behindBalancer is a master as the balancer sees it.
func behindBalancer(b *cluster.BalancerStatus, m cluster.MasterStatus) string {
	if b == nil {
		return "-"
	}
	for _, x := range b.Backends {
		switch {
		case x.Name != m.Name || x.Zone != m.Zone:
		case x.Healthy:
			return "healthy"
		default:
			return "not healthy"
		}
	}
	return "not in it"
}

func quorumLine(s *cluster.Status, ring string) string {
	q, ok := s.Quorum[ring]
	if !ok {
		return "unknown: no master told"
	}
	return fmt.Sprintf("%d of %d voters alive, %d needed", q.Alive, q.Voters, q.Need)
}

// verdict is the arithmetic of both rings in words.
func verdict(s *cluster.Status) string {
	if s.Survives == nil {
		return "what may fail is unknown: not both rings were told of"
	}
	for _, ring := range rings {
		if q := s.Quorum[ring]; q.Alive < q.Need {
			return "quorum of ring " + ring + " is lost as far as could be seen: nothing can be written"
		}
	}
	zones := strings.Join(s.Survives.Zones, " or ")
	text := ""
	switch n := s.Survives.Masters; n {
	case 0:
		text = "survives the loss of no more master"
		if zones != "" { // else it would be one more
			text += "; nothing lives in " + zones
		}
		return text
	case 1:
		text = "survives the loss of 1 more master"
	default:
		text = fmt.Sprintf("survives the loss of %d more masters", n)
	}
	if zones != "" {
		text += ", or of all in zone " + zones
	}
	return text
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
