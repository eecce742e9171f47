package etcdtest

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/replicate/etcdtest/kubeapi"
)

// An Asked is one thing that a machine is asked from outside: to run a script, or
// something of its API server.
type Asked struct {
	Machine string
	Script  string // its name; "" when Request is set
	Args    []string
	Request *http.Request
}

// A Fault is what befalls what is asked. The zero Fault lets it pass.
type Fault struct {
	CutBefore  bool          // end the connection without doing anything
	CutAfter   bool          // do it, and end the connection without an answer
	Fail       bool          // do nothing; a script exits with 1, a request is answered with Status
	Status     int           // of a request that fails; 500 when zero
	Message    string        // told with Status
	RetryAfter time.Duration // told with Status
	Hang       bool          // do nothing, and answer nothing until the caller gives up
}

func (w *World) fault(a Asked) Fault {
	if w.opts.Fault == nil {
		return Fault{}
	}
	return w.opts.Fault(a)
}

// befall does to a script what the fault wants. run is the script itself; hangUp
// ends the connection.
func (f Fault) befall(ctx context.Context, c Call, hangUp func(), run func() int) int {
	switch {
	case f.CutBefore:
		hangUp()
		return 1
	case f.Hang:
		<-ctx.Done()
		return 1
	case f.Fail:
		return c.fail("a fault that was asked for")
	}
	status := run()
	if f.CutAfter {
		hangUp()
	}
	return status
}

// befallRequest does the same to a request. It returns false when the request is
// to be served. A connection is cut by a panic with [http.ErrAbortHandler].
func (f Fault) befallRequest(w http.ResponseWriter, r *http.Request) (done bool) {
	switch {
	case f.CutBefore:
		panic(http.ErrAbortHandler)
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Fail:
		status := f.Status
		if status == 0 {
			status = http.StatusInternalServerError
		}
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
		}
		kubeapi.AnswerError(w, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: int32(status), Reason: metav1.StatusReasonUnknown,
			Message: cmp.Or(f.Message, http.StatusText(status)+" (a fault that was asked for)"),
		}})
		return true
	}
	return false
}

// unheard takes an answer that nobody gets.
type unheard struct{ header http.Header }

func (u unheard) Header() http.Header       { return u.header }
func (unheard) Write(b []byte) (int, error) { return len(b), nil }
func (unheard) WriteHeader(int)             {}
