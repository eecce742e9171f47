package replicate

import (
	"strings"
	"testing"
)

func TestParseRings(t *testing.T) {
	const (
		member = `{"id":"8e9e05c52164694d","name":"m","peerURLs":["https://m:2380"],"learner":false}`
		ring   = `{"members":[` + member + `],"leader":"8e9e05c52164694d","healthy":true,"revision":7,"error":""}`
		good   = `{"rings":{"main":` + ring + `,"events":` + ring + `},"disk":{"bytes":10,"free":9,"inodes":4,"freeInodes":3},"clock":1767225600.25}`
	)
	all, err := parseMaster([]byte(good + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if all.Disk != (Disk{10, 9, 4, 3}) || all.Clock.at.UnixMilli() != 1767225600250 {
		t.Errorf("read disk %+v and clock %v", all.Disk, all.Clock.at)
	}
	if r := all.Rings[RingMain]; !r.Healthy || r.Revision != 7 || r.Members[0].Name != "m" {
		t.Errorf("read %+v", r)
	}
	for want, change := range map[string][2]string{
		"unknown field":              {`"revision"`, `"version"`},
		"more than one JSON value":   {`}}}`, `}}}{}`},
		"no ring events":             {`"events"`, `"other"`},
		"is not a member's id":       {`"id":"8e9e05c52164694d"`, `"id":"8E"`},
		"is not a member\n":          {`"leader":"8e9e05c52164694d"`, `"leader":"1"`},
		"the leader \"x\" is not":    {`"leader":"8e9e05c52164694d"`, `"leader":"x"`},
		"is a learner":               {`"learner":false`, `"learner":true`},
		"twice":                      {member, member + "," + member},
		"share the peer URL":         {member, member + "," + strings.Replace(member, "8e", "9e", 1)},
		"has no peer URL":            {`["https://m:2380"]`, `[]`},
		`"http://m:2380" is not`:     {`https:`, `http:`},
		"is not a member's name":     {`"name":"m"`, `"name":"m\nETCD_NAME=x"`},
		`"m,x=y" is not a member`:    {`"name":"m"`, `"name":"m,x=y"`},
		`"https://m$(id):2380" is`:   {`https://m:2380`, `https://m$(id):2380`},
		`"https://m,x=https://y:1"`:  {`https://m:2380`, `https://m,x=https://y:1`},
		`"https://u@m:2380" is not`:  {`https://m:2380`, `https://u@m:2380`},
		"healthy, with error \"x\"":  {`"error":""`, `"error":"x"`},
		"healthy, without members":   {member, ``},
		"revision -1":                {`"revision":7`, `"revision":-1`},
		"\"nospace\" of \"9\" is no": {`"revision":7`, `"revision":7,"alarms":[{"member":"9","kind":"nospace"}]`},
		"of \"m\" is no alarm":       {`"revision":7`, `"revision":7,"alarms":[{"member":"m","kind":"NOSPACE"}]`},
		"a database of -1 bytes":     {`"revision":7`, `"revision":7,"size":-1`},
		"with 11 of 10 bytes":        {`"free":9`, `"free":11`},
		"-1 is no time":              {`1767225600.25`, `-1`},
		"cannot unmarshal":           {`"healthy":true`, `"healthy":"yes"`},
		"ring main: \"\" is not a m": {`"id":"8e9e05c52164694d"`, `"id":""`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if want == "more than one JSON value" {
			text = good + "{}"
		}
		if want == "healthy, without members" {
			text = strings.Replace(text, `"leader":"8e9e05c52164694d"`, `"leader":""`, 1)
		}
		if _, err := parseMaster([]byte(text)); err == nil || !strings.Contains(err.Error()+"\n", want) {
			t.Errorf("%s\nread with %v, want %q", text, err, want)
		}
	}
	// What a master tells whose ring has no quorum, and one in an election.
	mute := strings.NewReplacer(`"leader":"8e9e05c52164694d"`, `"leader":""`, `"healthy":true`, `"healthy":false`, `"error":""`, `"error":"etcdserver: no leader"`)
	if x, err := parseMaster([]byte(mute.Replace(good))); err != nil || x.Rings[RingEvents].Healthy || len(x.Rings[RingEvents].Members) != 1 {
		t.Errorf("without quorum: %v, %+v", err, x)
	}
	if x, err := parseMaster([]byte(strings.ReplaceAll(good, `"leader":"8e9e05c52164694d"`, `"leader":""`))); err != nil || x.Rings[RingMain].Healthy || x.Rings[RingMain].Error != "no leader" {
		t.Errorf("without leader: %v, %+v", err, x)
	}
}
