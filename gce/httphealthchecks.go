package gce

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/uuid"
	"google.golang.org/api/googleapi"
	"google.golang.org/protobuf/encoding/protojson" // operations, as apiv1 reads them
)

// HTTPHealthChecks are the project's legacy health checks, the only kind that
// target pools take. apiv1 leaves this collection out, so the three calls are
// made here, with the transport, the policy and the errors of all others.
type HTTPHealthChecks struct{ c *Client }

// An HTTPHealthCheck is what hakube reads of one.
type HTTPHealthCheck struct {
	ID          uint64 `json:"id,string"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// GetId, GetName and GetDescription are those of all other objects of Compute Engine,
// whose types are generated: what handles any object handles these too.
func (h *HTTPHealthCheck) GetId() uint64          { return h.ID }
func (h *HTTPHealthCheck) GetName() string        { return h.Name }
func (h *HTTPHealthCheck) GetDescription() string { return h.Description }

const httpCheck = "HTTP health check"

// HTTPHealthChecks returns the collection.
func (c *Client) HTTPHealthChecks() HTTPHealthChecks { return HTTPHealthChecks{c} }

// Get returns a health check.
func (h HTTPHealthChecks) Get(ctx context.Context, name string) (*HTTPHealthCheck, error) {
	x := new(HTTPHealthCheck)
	err := h.c.try(ctx, call{"reading", httpCheck, name}, reading, func(ctx context.Context) error {
		return h.send(ctx, http.MethodGet, name, nil, func(b []byte) error { return json.Unmarshal(b, x) })
	})
	return x, err
}

// List returns all legacy HTTP health checks of the project.
func (h HTTPHealthChecks) List(ctx context.Context) ([]*HTTPHealthCheck, error) {
	var all []*HTTPHealthCheck
	err := h.c.try(ctx, every(httpCheck+"s"), listing, func(ctx context.Context) error {
		all = nil
		query := url.Values{"maxResults": {fmt.Sprint(*pageSize)}}
		for {
			var page struct {
				Items         []*HTTPHealthCheck `json:"items"`
				NextPageToken string             `json:"nextPageToken"`
			}
			if err := h.send(ctx, http.MethodGet, "", query, func(b []byte) error { return json.Unmarshal(b, &page) }); err != nil {
				return err
			}
			all = append(all, page.Items...)
			if page.NextPageToken == "" {
				return nil
			}
			query.Set("pageToken", page.NextPageToken)
		}
	})
	return all, err
}

// Delete removes a health check. It is refused as in use ([InUse]) while a
// target pool has it.
func (h HTTPHealthChecks) Delete(ctx context.Context, name string) error {
	w, op := call{"deleting", httpCheck, name}, new(computepb.Operation)
	query := url.Values{"requestId": {uuid.NewString()}}
	var shut error
	err := h.c.try(ctx, w, changing, func(ctx context.Context) error {
		if shut = h.c.gate(ctx); shut != nil {
			return shut
		}
		return h.send(ctx, http.MethodDelete, name, query, func(b []byte) error {
			return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, op)
		})
	})
	if shut != nil {
		return shut
	}
	if err != nil {
		return err
	}
	return h.c.await(ctx, w, op)
}

const google = "https://compute.googleapis.com"

// send makes one request and lets read have the answer.
func (h HTTPHealthChecks) send(ctx context.Context, method, name string, query url.Values, read func([]byte) error) error {
	base := h.c.options.Endpoint
	if base == "" {
		base = google
	}
	u, err := url.JoinPath(base, "compute/v1/projects", h.c.Project(), "global/httpHealthChecks", name)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, u+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := h.c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	if err := googleapi.CheckResponse(resp); err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return read(body)
}
