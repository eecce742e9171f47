package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/replicate"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// An api is Kubernetes' at its address, by a connection for each request: one that is kept would
// lead to the same master for as long as that takes requests, whatever becomes of it.
type api struct{ corev1client.CoreV1Interface }

func (f *Field) client(ctx context.Context) (api, error) {
	config, err := f.apiConfig(ctx)
	if err != nil {
		return api{}, err
	}
	client, err := eachAnew(config, f.Gate)
	return api{client}, err
}

// eachAnew has a connection for each request.
func eachAnew(config *rest.Config, gate plan.Gate) (*corev1client.CoreV1Client, error) {
	tls, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.QPS = -1
	limit := registerLimit
	if gate != nil { // which takes time too
		limit = 15 * time.Second
	}
	return corev1client.NewForConfigAndClient(config, &http.Client{
		Transport: asking{&http.Transport{TLSClientConfig: tls, DisableKeepAlives: true, Proxy: config.Proxy, DialContext: config.Dial}, gate}, Timeout: limit,
	})
}

// nodes are all there are.
func (a api) nodes(ctx context.Context) ([]corev1.Node, error) {
	list, err := a.Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	return list.Items, nil
}

// asking asks the gate of the run before each change.
type asking struct {
	http.RoundTripper
	gate plan.Gate
}

func (a asking) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		if err := a.gate.Ask(r.Context()); err != nil {
			return nil, err
		}
	}
	return a.RoundTripper.RoundTrip(r)
}

// apiConfig opens the API at its address, as kubectl would.
func (f *Field) apiConfig(ctx context.Context) (*rest.Config, error) {
	e, err := f.entry(ctx)
	if err != nil {
		return nil, err
	}
	return &rest.Config{Host: e.Server, TLSClientConfig: rest.TLSClientConfig{CAData: e.CA, CertData: e.Cert, KeyData: e.Key}, Dial: f.Deps.Dial, UserAgent: "hakube-drill"}, nil
}

// entry is what opens the API: this operator's own, or else what a master lends.
func (f *Field) entry(ctx context.Context) (kube.Entry, error) {
	server := "https://" + f.Have.Holder.IP
	if e, err := f.Entry(); err == nil && e.Server == server {
		return e, nil
	}
	if f.lent.Server != "" {
		return f.lent, nil
	}
	var text []byte
	err := f.OverSSH(ctx, f.Master(), askLimit, func(ctx context.Context, h replicate.Host) (err error) {
		text, err = f.Deps.SSH.Run(ctx, h, scripts.AdminKubeconfig)
		return err
	})
	if err != nil {
		return kube.Entry{}, err
	}
	e, err := kube.AdminEntry(text)
	if e.Server = server; err == nil {
		f.lent = e
	}
	return e, err
}

// canDo tells whether the API has a kind of objects with a verb: a model's has few.
func canDo(ctx context.Context, client api, resource, verb string) (bool, error) {
	text, err := client.RESTClient().Get().AbsPath("/api/v1").DoRaw(ctx)
	if err != nil {
		return false, err
	}
	var has metav1.APIResourceList
	if err := json.Unmarshal(text, &has); err != nil {
		return false, fmt.Errorf("reading what the API has: %w", err)
	}
	return slices.ContainsFunc(has.APIResources, func(r metav1.APIResource) bool { return r.Name == resource && slices.Contains(r.Verbs, verb) }), nil
}

// Sweep removes what drills make in the cluster, as soon as its API answers.
func (f *Field) Sweep(ctx context.Context) error {
	err := f.Until(ctx, plan.Condition{
		For: "what the drill made to be gone", Every: f.Poll, Limit: workloadLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			client, err := f.client(ctx)
			if err == nil {
				err = f.remove(ctx, client)
			}
			return err == nil, "", err
		},
	})
	if err != nil {
		return fmt.Errorf("removing what the drill made in namespace %s: %w; %s does that", registerNamespace, err, cure.UndoDrill())
	}
	return nil
}

func (f *Field) remove(ctx context.Context, client api) error {
	can, err := canDo(ctx, client, "replicationcontrollers", "delete")
	if err != nil {
		return err
	}
	errs := []error{client.ConfigMaps(registerNamespace).Delete(ctx, drillName, metav1.DeleteOptions{})}
	if can { // and so all the others
		errs = append(errs, removeWorkload(ctx, client),
			client.Events(registerNamespace).Delete(ctx, drillName, metav1.DeleteOptions{}), f.goneNamespace(ctx, client))
	}
	return errors.Join(slices.DeleteFunc(errs, apierrors.IsNotFound)...)
}
