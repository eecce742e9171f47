package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"hakube/scripts"
)

// loginGrace is how long a connection may take to log in.
const loginGrace = 30 * time.Second

// serveSSH is sshd on one connection, until either side ends it.
func (g *Guest) serveSSH(c net.Conn) {
	defer func() { _ = c.Close() }() // in memory
	signer, err := ssh.NewSignerFromKey(g.key)
	if err != nil {
		return // an ed25519 key always is one
	}
	config := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-hakube_model",
		PublicKeyCallback: func(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			return nil, g.mayLogIn(conn.User(), key)
		},
	}
	config.AddHostKey(signer)
	_ = c.SetDeadline(time.Now().Add(loginGrace))
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return // as sshd, which tells its log only
	}
	_ = c.SetDeadline(time.Time{})
	go ssh.DiscardRequests(requests) // keepalives are answered by it; ends with the connection
	var sessions sync.WaitGroup
	for n := range channels {
		if n.ChannelType() != "session" {
			_ = n.Reject(ssh.UnknownChannelType, "a model guest has sessions only")
			continue
		}
		channel, requests, err := n.Accept()
		if err != nil {
			break
		}
		sessions.Go(func() { g.session(channel, requests, func() { _ = c.Close() }) })
	}
	_ = conn.Close()
	sessions.Wait()
}

// osLogin is switched by the project, and by the instance over it.
func osLogin(instance, project map[string]string) bool {
	on, set := instance[scripts.KeyOSLogin]
	if !set {
		on = project[scripts.KeyOSLogin]
	}
	return strings.EqualFold(on, "true")
}

// mayLogIn looks for the key in the metadata, as Google's guest agent does:
// the instance's ssh-keys, and the project's unless the instance blocks them.
func (g *Guest) mayLogIn(user string, key ssh.PublicKey) error {
	if user == "root" {
		return errors.New("PermitRootLogin no")
	}
	ctx, cancel := context.WithTimeout(g.ctx, loginGrace)
	defer cancel()
	v, err := g.metadata(ctx)
	if err != nil {
		return err
	}
	if osLogin(v.Instance.Attributes, v.Project.Attributes) {
		return errors.New("OS Login is on: the agent lets nobody in by ssh-keys")
	}
	lines := v.Instance.Attributes[scripts.KeySSHKeys]
	if !strings.EqualFold(v.Instance.Attributes["block-project-ssh-keys"], "true") {
		lines += "\n" + v.Project.Attributes[scripts.KeySSHKeys]
	}
	for line := range strings.Lines(lines) {
		name, text, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || name != user || strings.Contains(text, " google-ssh ") { // those expire; nobody here makes any
			continue
		}
		known, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err == nil && string(known.Marshal()) == string(key.Marshal()) {
			return nil
		}
	}
	return fmt.Errorf("no such key for %s", user)
}

// session runs the one command of a session. hangUp ends its connection.
func (g *Guest) session(ch ssh.Channel, requests <-chan *ssh.Request, hangUp func()) {
	defer func() { _ = ch.Close() }() // the other side may have closed it
	ctx, cancel := context.WithCancel(g.ctx)
	defer cancel()
	var running sync.WaitGroup
	started := false
	for r := range requests {
		var ok bool
		switch r.Type {
		case "exec":
			var command struct{ Line string }
			if ok = !started && ssh.Unmarshal(r.Payload, &command) == nil; ok {
				started = true
				running.Go(func() { g.exec(ctx, ch, command.Line, hangUp) })
			}
		case "signal":
			var signal struct{ Name string }
			if ok = started && ssh.Unmarshal(r.Payload, &signal) == nil; ok {
				cancel()
			}
		case "env":
			ok = true // as sshd with AcceptEnv, to no effect
		}
		if r.WantReply {
			_ = r.Reply(ok, nil) // a connection that is gone ends the loop
		}
	}
	cancel() // the client closed the channel
	running.Wait()
}

// exec is the login shell: it runs the command line and tells the exit status.
func (g *Guest) exec(ctx context.Context, ch ssh.Channel, line string, hangUp func()) {
	status := g.command(ctx, ch, line, hangUp)
	if ctx.Err() != nil && status != 0 {
		_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal    string
			Core      bool
			Text, Tag string
		}{Signal: "TERM"}))
	} else {
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
	}
	_ = ch.Close()
}

// maxScript is how long a script may be, with what follows it, in bytes.
const maxScript = 64 << 20

func (g *Guest) command(ctx context.Context, ch ssh.Channel, line string, hangUp func()) (status int) {
	words, err := shellWords(line)
	prefix := []string{"sudo", "-n", "bash", "-s", "--"}
	if err == nil && (len(words) < len(prefix) || strings.Join(words[:len(prefix)], " ") != strings.Join(prefix, " ")) {
		err = fmt.Errorf("only `sudo -n bash -s -- args` with a script on stdin")
	}
	if err != nil {
		fmt.Fprintf(ch.Stderr(), "model guest: cannot run this command: %v\n", err)
		return 127
	}
	text, err := io.ReadAll(io.LimitReader(ch, maxScript))
	if err != nil {
		return 127 // the client is gone
	}
	name, err := scripts.Name(string(text))
	if err != nil {
		fmt.Fprintf(ch.Stderr(), "model guest: cannot run this script: %v\n", err)
		return 127
	}
	script, ok := g.w.opts.Scripts[name]
	if !ok {
		script, ok = known[name]
	}
	if !ok {
		fmt.Fprintf(ch.Stderr(), "model guest: does not know the script %s\n", name)
		return 127
	}
	c := Call{Guest: g, Args: words[len(prefix):], Script: string(text), Stdout: ch, Stderr: ch.Stderr()}
	f := g.w.fault(Asked{Machine: g.m.Name, Script: name, Args: c.Args})
	return f.befall(ctx, c, hangUp, func() int { return script(ctx, c) })
}

// shellWords splits a command line as a POSIX shell would that finds words and
// quotes in it and nothing else.
func shellWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("a quote is not closed")
			}
			word.WriteString(line[i+1 : i+1+end])
			i += end + 1
			inWord = true
		case c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			inWord = true
		case c == ' ' || c == '\t':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		case strings.IndexByte("\"$`&|;<>()*?[]#~\n!{}", c) >= 0:
			return nil, fmt.Errorf("%q is not modelled", c)
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
