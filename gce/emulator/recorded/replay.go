package recorded

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
)

// A Request is one the replay makes.
type Request struct {
	Verb, Path string // the path is what follows compute/v1
	Query      url.Values
	Body       any
	// Hold keeps the operation of a change from beginning until it is closed; nil
	// does not.
	Hold <-chan struct{}
	// Fails is the code and message that the operation has to end with: what made it
	// fail at Google is not in the recording.
	Fails *[2]string
}

// Do makes one request of the embedded GCE.
type Do func(Request) (status int, answer map[string]any)

// Replay makes all recorded requests again, those of each file in a project of its
// own, and compares what is answered. An operation stays under way for as long as it
// did when it was recorded, so that what is asked meanwhile meets the same state.
func Replay(all []Exchange, do Do) *Report {
	r := newReport()
	for i, s := range sessions(all) {
		p := &session{names: names{fmt.Sprintf("recorded-%04d", i), aliases(s)}, do: do, all: s, report: r, lost: map[string]string{}}
		p.findDoubled()
		p.nameGlobally()
		for at := range s {
			p.exchange(at)
		}
		for _, o := range p.operations {
			o.release()
		}
	}
	return r
}

// A session is one file being replayed.
type session struct {
	names
	do         Do
	all        []Exchange
	report     *Report
	operations []*operation
	lost       map[string]string // by path: why an object of the file is not there
}

// An operation is one that a replayed change began.
type operation struct {
	kind, target string // as recorded
	path         string // of the embedded GCE's own
	until        int    // the exchange before which it has ended
	release      func()
}

func (p *session) exchange(at int) {
	x := &p.all[at]
	p.report.Exchanges++
	p.report.Methods[x.id()]++
	for _, o := range p.operations {
		if o.until == at {
			p.finish(o)
		}
	}
	m := x.method()
	if m == nil {
		p.report.notSent("the embedded GCE has no resource " + x.collection())
		return
	}
	recorded, query := x.split()
	if own := x.ownName(); own != "" {
		recorded = recorded[:strings.LastIndexByte(recorded, '/')+1] + own
	}
	q := Request{Verb: x.Verb, Path: p.concrete(recorded), Query: query}
	for k, values := range query {
		for i := range values {
			query[k][i] = p.concrete(values[i])
		}
	}
	if x.asksOperation() {
		p.poll(x)
		return
	}
	why := p.unready(at, recorded, q.Path)
	if why != "" {
		p.report.notSent(why)
		return
	}
	if o, ok := x.Body.(map[string]any); ok {
		q.Body = p.concreteAll(o)
	}
	p.fingerprints(q)
	if m.Reads() {
		status, answer := p.do(q)
		p.judge(x, status, answer)
		return
	}
	p.change(at, q)
}

// change makes a change, and keeps its operation from going on while the recording
// has it under way.
func (p *session) change(at int, q Request) {
	x := &p.all[at]
	hold := make(chan struct{})
	end := p.end(at)
	if q.Fails = end.fails; text(x.Answer, "status") != "DONE" {
		q.Hold = hold
	}
	status, answer := p.do(q)
	release := sync.OnceFunc(func() { close(hold) })
	if strings.HasSuffix(x.id(), ".insert") && x.Status < 400 {
		made := q.Path + "/" + p.concrete(nameIn(x.Body))
		if delete(p.lost, made); status >= 400 {
			p.lost[made] = "it is not there, since its insert is not sent or refused"
		}
	}
	if isOperation(answer) && isOperation(x.Answer) {
		_, own, _ := strings.Cut(text(answer, "selfLink"), "/compute/v1/")
		o := &operation{text(x.Answer, "operationType"), text(x.Answer, "targetLink"), own, end.until, release}
		p.operations = append(p.operations, o)
		if end.until == 0 {
			p.finish(o)
		}
	} else {
		release()
	}
	p.judge(x, status, answer)
}

// An ending is what a recording tells of how an operation ended.
type ending struct {
	until int        // the exchange in which it has, 0 if it is in none
	fails *[2]string // when something that is not in the recording made it fail
}

// end is how the operation of a change ended: it was read, or one of the same kind
// was accepted for the same object, which there then still was.
func (p *session) end(change int) ending {
	o := p.all[change].Answer
	for i := change + 1; i < len(p.all) && isOperation(o); i++ {
		a := p.all[i].Answer
		switch {
		case !isOperation(a) || text(a, "operationType") != text(o, "operationType") || text(a, "targetLink") != text(o, "targetLink"):
		case !p.all[i].asksOperation():
			return ending{i, &[2]string{"RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "it was not told"}}
		case text(a, "status") == "DONE":
			return ending{i, p.foreign(a)}
		}
	}
	return ending{}
}

// finish lets an operation go on, with those before it that it may wait for, and
// waits for its end.
func (p *session) finish(o *operation) {
	for _, before := range p.operations {
		if before.target == o.target || before == o {
			before.release()
		}
	}
	p.do(Request{Verb: "POST", Path: o.path + "/wait"})
}

// poll reads an operation, the latest of that kind and target.
func (p *session) poll(x *Exchange) {
	i := len(p.operations) - 1
	for i >= 0 && (p.operations[i].kind != text(x.Answer, "operationType") || p.operations[i].target != text(x.Answer, "targetLink")) {
		i--
	}
	if i < 0 {
		p.report.notSent("reads an operation of a change that was not sent or not accepted")
		return
	}
	o := p.operations[i]
	if text(x.Answer, "status") == "DONE" {
		p.finish(o)
	}
	path := o.path
	if strings.HasSuffix(x.id(), ".wait") {
		path += "/wait"
	}
	status, answer := p.do(Request{Verb: x.Verb, Path: path})
	p.judge(x, status, answer)
}

// judge compares and keeps the account. A method that is not there is not compared.
func (p *session) judge(x *Exchange, status int, answer map[string]any) {
	if _, message := errorOf(answer); strings.HasPrefix(message, x.id()+" is not written") {
		p.report.notSent("the embedded GCE has no " + x.id())
		return
	}
	p.report.judged(x, p.compare(x.id(), x.Status, x.Answer, status, answer))
}
