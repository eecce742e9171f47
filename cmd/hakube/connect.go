package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"hakube/cluster"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/gce/local"
	"hakube/gce/local/mirror"
	"hakube/replicate"
)

// settings loads what the command is to do with, and shows the warnings.
func loadSettings(u *ui, c *cli.Context, verb cluster.Verb) (cluster.Settings, error) {
	s, warnings, err := settings.Load(verb, given(c), func(p cluster.Provider) string {
		if p == cluster.Local {
			return local.Project
		}
		return gce.DefaultProject()
	})
	u.called.set = s
	for _, w := range warnings {
		u.warn(w)
	}
	return s, err
}

// onCluster is what commands on a cluster have in common: settings, all their
// problems at once, then the cluster with its cloud. What must be said by hand is
// asked for before that.
func onCluster(u *ui, verb cluster.Verb, does doing, act func(*cli.Context, cluster.Settings, *cluster.Cluster) error, said ...func(cluster.Settings) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		u.json, u.changes = c.Bool("json"), does != looking
		u.called.by(c)
		if err := noArguments(c); err != nil {
			return err
		}
		s, err := loadSettings(u, c, verb)
		if err != nil {
			return err
		}
		if name, ok := nameWithDots(c); ok {
			u.note("cluster %s is called %s here, since names of Compute Engine have no dots", name, s.Prefix)
		}
		for _, f := range said {
			if err := f(s); err != nil {
				return err
			}
		}
		cl, err := connect(c.Context, u, s, does)
		if none := (*notRunning)(nil); does == removing && errors.As(err, &none) && none.empty() {
			return u.removedNowhere(c.Context, s, none)
		}
		if err != nil {
			return err
		}
		u.goesOn = true
		return act(c, s, cl)
	}
}

// connect puts a cluster together with the cloud the settings name.
func connect(ctx context.Context, u *ui, s cluster.Settings, does doing) (*cluster.Cluster, error) {
	if does == changing && s.Provider == cluster.Local { // or a key would be made for nothing
		if _, _, err := reach(ctx, u, does); err != nil {
			return nil, err
		}
	}
	key, file, err := sshKey(s, does == making || does == changing)
	if err != nil {
		return nil, err
	}
	deps := cluster.Deps{Kubeconfig: string(s.Kubeconfig), Signer: key, KeyFile: file, User: loginName()}
	options := gce.Options{
		Project: string(s.Project), Region: s.Zone.Region(), UserAgent: "hakube/" + version,
		Waiting: cluster.Waiting,
	}
	var dialer net.Dialer
	deps.Dial = dialer.DialContext
	if s.Provider == cluster.Local {
		gate, status, err := reach(ctx, u, does)
		if err != nil {
			return nil, err
		}
		options.Endpoint, options.HTTPClient = status.Endpoint, gate.client()
		deps.MirrorDefault, deps.Cloud = status.Mirror, local.RealDir(gate.dir)
		deps.Versions = settings.Releases{Has: status.Versions, Makes: mirror.Versions()}
		deps.Poll = localPoll
		if status.Machines == local.Model {
			deps.Poll = modelPoll
			if deps.ProxyURL, err = local.ProxyURL(status.Endpoint, gate.credentials()); err != nil {
				return nil, err
			}
			deps.Dial = throughProxy(gate)
		}
	}
	if at := os.Getenv("HAKUBE_LIVE_ENDPOINT"); at != "" { // make live listens there, and has the credentials
		options.Endpoint, options.HTTPClient = at, nil
	}
	client, err := gce.New(ctx, options)
	if err != nil {
		return nil, err
	}
	deps.GCE = client
	deps.InRegion = func(ctx context.Context, region string) (*gce.Client, error) {
		there := options
		there.Region = region
		return gce.New(ctx, there)
	}
	deps.SSH = replicate.NewRunner(replicate.Options{Signer: deps.Signer, Dial: deps.Dial})
	return cluster.New(s, deps), nil
}

// How often the embedded GCE and its machines are asked while something is waited for:
// nobody counts questions to it against a quota, and its machines boot in less time
// than Google's, model machines at once.
const (
	localPoll = 500 * time.Millisecond
	modelPoll = 100 * time.Millisecond
)

var noDeadline time.Time

// throughProxy dials by HTTP CONNECT: model machines have no address on this host.
func throughProxy(gate *embedded) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := gate.dial(ctx, network)
		if err != nil {
			return nil, err
		}
		if deadline, ok := ctx.Deadline(); ok {
			if err := conn.SetDeadline(deadline); err != nil {
				return nil, err
			}
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		defer stop()
		fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nProxy-Authorization: Bearer %s\r\n\r\n", addr, addr, gate.credentials())
		r := bufio.NewReader(conn)
		resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
		if err == nil && resp.StatusCode != http.StatusOK {
			why, _, _ := r.ReadLine() // the proxy's reason, if it gave one
			err = fmt.Errorf("%s: %s", resp.Status, why)
		}
		if err != nil {
			_ = conn.Close() // it is of no use
			return nil, &net.OpError{Op: "dial", Net: network, Err: err}
		}
		if err := conn.SetDeadline(noDeadline); err != nil {
			return nil, err
		}
		return &bufferedConn{conn, r}, nil
	}
}

// bufferedConn reads first what came with the proxy's answer.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(b []byte) (int, error) { return c.r.Read(b) }
