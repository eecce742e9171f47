package metadata

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	// Google's own client: what its users ask, asked in the same way.
	google "cloud.google.com/go/compute/metadata"
	oauth "golang.org/x/oauth2/google"
)

func TestGoogleClient(t *testing.T) {
	m := newTwin()
	m.view.Instance.ServiceAccounts = []ServiceAccount{{Email: "a@p.iam.gserviceaccount.com", Scopes: []string{"s1", "s2"}}}
	m.left = time.Hour
	srv := serve(t, m)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(srv.URL, "http://"))
	c, ctx := google.NewClient(srv.Client()), t.Context()

	for name, get := range map[string]struct {
		f    func(context.Context) (string, error)
		want string
	}{
		"project":         {c.ProjectIDWithContext, "p"},
		"number":          {c.NumericProjectIDWithContext, "42"},
		"id":              {c.InstanceIDWithContext, "4711"},
		"name":            {c.InstanceNameWithContext, "m"},
		"hostname":        {c.HostnameWithContext, "m.europe-west1-b.c.p.internal"},
		"zone":            {c.ZoneWithContext, "europe-west1-b"},
		"internal":        {c.InternalIPWithContext, "10.40.0.2"},
		"external":        {c.ExternalIPWithContext, "198.51.100.7"},
		"universe domain": {func(ctx context.Context) (string, error) { return c.GetWithContext(ctx, "universe/universe-domain") }, "googleapis.com"},
	} {
		if got, err := get.f(ctx); err != nil || got != get.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, get.want)
		}
	}
	if tags, err := c.InstanceTagsWithContext(ctx); err != nil || !slices.Equal(tags, []string{"a", "b"}) {
		t.Errorf("tags: %q, %v", tags, err)
	}
	keys, err := c.InstanceAttributesWithContext(ctx)
	if err != nil || !slices.Equal(keys, []string{"enable-guest-attributes", "ssh-keys", "two-lines"}) {
		t.Errorf("attributes: %q, %v", keys, err)
	}
	if v, err := c.InstanceAttributeValueWithContext(ctx, "two-lines"); err != nil || v != "x\ny" {
		t.Errorf("attribute: %q, %v", v, err)
	}
	if _, err := c.InstanceAttributeValueWithContext(ctx, "none"); !errors.As(err, new(google.NotDefinedError)) {
		t.Errorf("attribute that is not there: %v", err)
	}
	if email, err := c.EmailWithContext(ctx, ""); err != nil || email != "a@p.iam.gserviceaccount.com" {
		t.Errorf("email: %q, %v", email, err)
	}
	if scopes, err := c.ScopesWithContext(ctx, "default"); err != nil || !slices.Equal(scopes, []string{"s1", "s2"}) {
		t.Errorf("scopes: %q, %v", scopes, err)
	}
	if _, err := c.GetWithContext(ctx, "instance/service-accounts/other@p/token"); !errors.As(err, new(google.NotDefinedError)) {
		t.Errorf("token of another account: %v", err)
	}
	// What oauth2 makes its tokens of.
	token, err := oauth.ComputeTokenSource("", "s1").Token()
	if err != nil || token.AccessToken != "a@p.iam.gserviceaccount.coms1" || token.Type() != "Bearer" || time.Until(token.Expiry) > time.Hour || token.Expiry.IsZero() {
		t.Errorf("token: %+v, %v", token, err)
	}

	// Subscribe long-polls one key: the value, its change, its end.
	var seen []string
	end := errors.New("seen enough")
	err = c.SubscribeWithContext(ctx, "instance/attributes/two-lines", func(_ context.Context, v string, ok bool) error {
		if !ok {
			return end
		}
		seen = append(seen, v)
		m.change(func(view *View, _ GuestAttributes) {
			if len(seen) == 1 {
				view.Instance.Attributes["two-lines"] = "z"
			} else {
				delete(view.Instance.Attributes, "two-lines")
			}
		})
		return nil
	})
	if !errors.Is(err, end) || !slices.Equal(seen, []string{"x\ny", "z"}) {
		t.Errorf("subscribe: %q, %v", seen, err)
	}
}
