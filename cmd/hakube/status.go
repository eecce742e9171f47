package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"hakube/cluster"
	"hakube/scripts/cure"
)

func statusCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show masters, pools, both etcd rings, who has the API's address, what may fail, what is unfinished",
		Description: "Changes nothing, and needs no zone. What could not be asked is said to be unknown, with the\n" +
			"reason. A master that is unreachable counts as dead in the verdict. It is no error when the\n" +
			"cluster is not well (" + cure.Validate().String() + " judges): 1 is for no cluster, or a cloud that is silent.\n\n" + exitHelp,
		Flags: append(settingFlags(), &cli.GenericFlag{
			Name: "watch", Value: &watchValue{}, DefaultText: "off",
			Usage: "look again every two seconds (--watch=SECONDS: as often), until ^C",
		}),
		OnUsageError: usage,
		Action: onCluster(u, cluster.StatusVerb, looking, func(c *cli.Context, _ cluster.Settings, cl *cluster.Cluster) error {
			every := c.Generic("watch").(*watchValue).every
			if every == 0 {
				s, err := u.status(cl)(c.Context)
				if err != nil {
					return err
				}
				if u.json {
					return u.object("status", s)
				}
				if err := u.show(statusPage(s)); !isGone(err) {
					return err
				}
				return nil
			}
			if err := u.watch(c.Context, every, u.status(cl)); !isGone(err) {
				return err
			}
			return nil // nobody watches any more
		}),
	}
}

// status is Status with its commands whole.
func (u *ui) status(cl *cluster.Cluster) func(context.Context) (*cluster.Status, error) {
	return func(ctx context.Context) (*cluster.Status, error) {
		s, err := cl.Status(ctx)
		if err == nil {
			u.wholeStatus(s)
		}
		return s, err
	}
}

func (u *ui) wholeStatus(s *cluster.Status) {
	for i := range s.Unfinished {
		x := &s.Unfinished[i]
		x.Command, x.Or = u.whole(x.Command), u.whole(x.Or)
	}
	for i, w := range s.Warnings {
		s.Warnings[i] = u.wholeLines(w)
	}
}

// watchEvery is the pause of --watch alone; watchLeast keeps a slip from being a
// flood of calls.
const (
	watchEvery = 2 * time.Second
	watchLeast = 100 * time.Millisecond
)

// watchValue is --watch or --watch=SECONDS.
type watchValue struct{ every time.Duration }

func (v *watchValue) Set(s string) error {
	switch s {
	case "true":
		v.every = watchEvery
		return nil
	case "false":
		v.every = 0
		return nil
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= watchLeast.Seconds() && n <= 24*time.Hour.Seconds()) {
		return errors.New("seconds, 0.1 or more")
	}
	v.every = time.Duration(n * float64(time.Second))
	return nil
}

func (v *watchValue) String() string {
	if v.every == 0 {
		return ""
	}
	return strconv.FormatFloat(v.every.Seconds(), 'f', -1, 64)
}

func (v *watchValue) IsBoolFlag() bool { return true }

// show prints a page.
func (u *ui) show(page []byte) error {
	u.live.clear(u.err)
	if u.json {
		page = plainJSON(page)
	} else {
		page = []byte(plain(string(page)))
	}
	if _, err := u.out.Write(page); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// watch prints a page again and again until it is interrupted, which is how a
// watch ends. A terminal is drawn over; elsewhere a page is printed when it
// differs from the last, and JSON every time. When a look fails after one has
// succeeded, that is part of what is watched.
func (u *ui) watch(ctx context.Context, every time.Duration, look func(context.Context) (*cluster.Status, error)) error {
	draws := term.IsTerminal(int(u.out.Fd())) && !u.json
	var last []byte
	for {
		s, err := look(ctx)
		var page []byte
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && last == nil:
			return err
		case err != nil:
			page = fmt.Appendf(nil, "hakube: error: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nhakube: error: "))
		case u.json:
			page, err = enveloped("status", s)
			if err != nil {
				return err
			}
			page = append(page, '\n')
		default:
			page = statusPage(s)
		}
		switch same := bytes.Equal(page, last); {
		case draws:
			redraw(u.out, fmt.Appendf(nil, "%s, every %v, ^C ends\n%s", time.Now().Format(time.TimeOnly), every, plain(string(page))))
		case err != nil && !same:
			u.say("error", "error: ", err.Error())
		case err != nil:
		case u.json:
			if err := u.show(page); err != nil {
				return err
			}
		case !same:
			if err := u.show(fmt.Appendf(nil, "%s\n%s\n", time.Now().Format(time.RFC3339), page)); err != nil {
				return err
			}
		}
		last = page
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// redraw writes a page over the one before, without a moment of emptiness. Lines
// that do not fit are left out at the end: a terminal that scrolls could not be
// drawn over.
func redraw(w *os.File, page []byte) {
	width, height, err := term.GetSize(int(w.Fd()))
	if err != nil || width < 20 || height < 5 {
		width, height = 80, 24
	}
	drawPage(w, page, width, height)
}

func drawPage(w io.Writer, page []byte, width, height int) {
	var b bytes.Buffer
	b.WriteString("\x1b[H") // to the first line
	lines := strings.Split(strings.TrimRight(string(page), "\n"), "\n")
	rows := 0
	for i, line := range lines {
		takes := 1 + max(0, len([]rune(line))-1)/width
		if rows+takes > height-2 && i < len(lines)-1 {
			fmt.Fprintf(&b, "… %d more lines: a taller window shows them\x1b[K\r\n", len(lines)-i)
			break
		}
		rows += takes
		b.WriteString(line + "\x1b[K\r\n") // what was there before is longer, perhaps
	}
	b.WriteString("\x1b[J")
	_, _ = w.Write(b.Bytes()) // a terminal that went away ends the process by itself
}
