package gce

import (
	"context"
	"iter"
	"time"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/uuid" // request ids have to be UUIDs
	gax "github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"
)

// once stops the REST clients from trying again by themselves: they would do
// it for some reads only and without end.
var once = gax.WithRetry(func() gax.Retryer { return nil })

// A call says what is done to what, for messages and limits.
type call struct {
	verb string // "creating"
	noun string // "network"
	name string // "" when listing
}

func (w call) object() string {
	if w.name == "" {
		return w.noun
	}
	return w.noun + " " + w.name
}

// every is the call that lists all of a collection.
func every(noun string) call { return call{"listing", noun, ""} }

// read makes a call that changes nothing.
func read[C, T any](ctx context.Context, c *Client, api *lazy[C], w call, do func(context.Context, C) (T, error)) (T, error) {
	return ask(ctx, c, api, w, reading, do)
}

// ask makes a call of a kind that changes nothing.
func ask[C, T any](ctx context.Context, c *Client, api *lazy[C], w call, k kind, do func(context.Context, C) (T, error)) (T, error) {
	var out T
	rest, err := api.get(c)
	if err != nil {
		return out, c.failed(w, err)
	}
	err = c.try(ctx, w, k, func(ctx context.Context) (err error) {
		out, err = do(ctx, rest)
		return err
	})
	return out, err
}

// list collects all pages. When one cannot be read it starts over: an iterator
// of apiv1 does not survive an error.
func list[C, T any](ctx context.Context, c *Client, api *lazy[C], w call, open func(context.Context, C) iter.Seq2[T, error]) ([]T, error) {
	rest, err := api.get(c)
	if err != nil {
		return nil, c.failed(w, err)
	}
	var all []T
	err = c.try(ctx, w, listing, func(ctx context.Context) error {
		ctx, leave := c.trips.enter(ctx)
		defer leave()
		all = nil
		for x, err := range open(ctx, rest) {
			if err != nil {
				return err
			}
			all = append(all, x)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// pageSize is the largest the API accepts.
var pageSize = new(uint32(500))

// aggregate flattens an aggregated list. A scope that did not answer is an
// error: what it holds would otherwise read as absent.
func aggregate[P, T any](pairs iter.Seq2[P, error], page func() any, items func(P) ([]T, *computepb.Warning)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for p, err := range pairs {
			if err != nil {
				yield(none, err)
				return
			}
			list, warning := items(p)
			silent := ""
			if warning.GetCode() == "UNREACHABLE" {
				silent = warning.GetMessage()
			}
			if r, ok := page().(interface{ GetUnreachables() []string }); ok && len(r.GetUnreachables()) > 0 {
				silent = r.GetUnreachables()[0] + " is unreachable"
			}
			if silent != "" {
				yield(none, &Error{Class: Later, Reason: "UNREACHABLE", Message: silent})
				return
			}
			for _, x := range list {
				if !yield(x, nil) {
					return
				}
			}
		}
	}
}

// change makes a changing call and waits for its operation. Each try of one
// call carries the same request id, so that a try whose answer was lost and
// the next one are the same change to the server.
func change[C any](ctx context.Context, c *Client, api *lazy[C], w call, do func(ctx context.Context, rest C, requestID *string) (*compute.Operation, error)) error {
	rest, err := api.get(c)
	if err != nil {
		return c.failed(w, err)
	}
	id := uuid.NewString()
	var op *compute.Operation
	var shut error
	err = c.try(ctx, w, changing, func(ctx context.Context) (err error) {
		if shut = c.gate(ctx); shut != nil {
			return shut
		}
		op, err = do(ctx, rest, &id)
		return err
	})
	if shut != nil {
		return shut
	}
	if err != nil {
		return err
	}
	return c.await(ctx, w, op.Proto())
}

// A Beside is a call of another of Google's services than Compute Engine.
type Beside struct {
	Verb, Noun, Name string        // for messages, as "reading", "bucket", "b"
	Limit            time.Duration // of one try; a minute if zero
	Changes          bool
}

// Elsewhere makes a call of another service over the connection there is, with the same
// credentials, tried again by the same rules, and its errors told as those of Compute
// Engine are. A service that Google has at one address only is at endpoint+path here.
func (c *Client) Elsewhere(ctx context.Context, b Beside, path string, do func(context.Context, ...option.ClientOption) error) error {
	k := reading
	if b.Changes {
		k = changing
	}
	k.limit = max(k.limit, b.Limit)
	options := []option.ClientOption{option.WithHTTPClient(c.http)}
	if c.options.Endpoint != "" {
		options = append(options, option.WithEndpoint(c.options.Endpoint+path))
	}
	return c.try(ctx, call{b.Verb, b.Noun, b.Name}, k, func(ctx context.Context) error { return do(ctx, options...) })
}
