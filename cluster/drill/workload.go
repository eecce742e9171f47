package drill

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"hakube/cluster/kube"
)

// A workload is two pods behind a Service, asked from a master that does not fail (probe): what
// users of the cluster's users would see. Its image is CoreDNS's, which every cluster has.
type workload struct {
	client  api
	address string // of the Service
	moves   bool   // its pods can run where nothing fails
}

const (
	workloadName = drillName
	workloadPods = 2
	// workloadLimit is how long its pods may take to start, elsewhere too.
	workloadLimit = 90 * time.Second
	// evicted is how long they stay on a Node that is lost.
	evicted = 5
	healthy = 8080
)

// url is where it answers.
func (w *workload) url() string {
	if w == nil {
		return ""
	}
	return "http://" + w.address + "/health"
}

// startWorkload makes it; nil where the cluster runs no pods of anybody's, or has no node for them.
func (f *Field) startWorkload(ctx context.Context, p Plan) (*workload, error) {
	client, err := f.client(ctx)
	if err != nil {
		return nil, err
	}
	w := &workload{client: client}
	if can, err := w.canRun(ctx, p); err != nil || !can {
		return nil, err
	}
	w.address, err = w.make(ctx)
	if err == nil {
		err = w.ready(ctx, f.Poll)
	}
	if err != nil {
		return nil, fmt.Errorf("starting the drill's workload: %w", err)
	}
	return w, nil
}

// canRun tells whether the API has ReplicationControllers, which a model's has not, and a
// node that is no master to run pods on; and notes whether one of those does not fail.
func (w *workload) canRun(ctx context.Context, p Plan) (can bool, err error) {
	if has, err := canDo(ctx, w.client, "replicationcontrollers", "create"); err != nil || !has {
		return false, err
	}
	nodes, err := w.client.nodes(ctx)
	for i := range nodes {
		if n := &nodes[i]; !master(n) && kube.NotReady(n) == "" {
			can, w.moves = true, w.moves || !p.fails(n.Name)
		}
	}
	return can, err
}

// make makes its objects and returns the Service's address.
func (w *workload) make(ctx context.Context) (string, error) {
	pods, err := w.client.Pods("kube-system").List(ctx, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
	if err != nil {
		return "", err
	}
	if len(pods.Items) == 0 {
		return "", errors.New("there is no pod of CoreDNS, whose image it has")
	}
	if err := removeWorkload(ctx, w.client); err != nil { // of a drill that was killed
		return "", err
	}
	named := metav1.ObjectMeta{Name: workloadName, Labels: map[string]string{"app": workloadName}}
	service := &corev1.Service{ObjectMeta: named, Spec: corev1.ServiceSpec{Selector: named.Labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(healthy)}}}}
	made, err := w.client.Services(registerNamespace).Create(ctx, service, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	corefile := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: workloadName + "-workload"}, Data: map[string]string{"Corefile": ".:5353 {\n  health :" + strconv.Itoa(healthy) + "\n  whoami\n}\n"}}
	if _, err := w.client.ConfigMaps(registerNamespace).Create(ctx, corefile, metav1.CreateOptions{}); err != nil {
		return "", err
	}
	_, err = w.client.ReplicationControllers(registerNamespace).Create(ctx, controller(named, corefile.Name, pods.Items[0].Spec.Containers[0].Image), metav1.CreateOptions{})
	return made.Spec.ClusterIP, err
}

// controller has its pods on several Nodes where there are such, and soon elsewhere when
// theirs is lost.
func controller(named metav1.ObjectMeta, corefile, image string) *corev1.ReplicationController {
	var soon []corev1.Toleration
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		soon = append(soon, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(evicted))})
	}
	return &corev1.ReplicationController{ObjectMeta: named, Spec: corev1.ReplicationControllerSpec{
		Replicas: new(int32(workloadPods)), Selector: named.Labels,
		Template: &corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: named.Labels}, Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(1)), Tolerations: soon, AutomountServiceAccountToken: new(false),
			Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
				Weight: 100, PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: named.Labels}},
			}}}},
			Volumes: []corev1.Volume{{Name: "corefile", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: corefile}}}}},
			Containers: []corev1.Container{{
				Name: "answers", Image: image, ImagePullPolicy: corev1.PullIfNotPresent, Args: []string{"-conf", "/etc/coredns/Corefile"},
				// Without any the pods of a busy machine get nothing, and that would be measured.
				Resources:      corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")}},
				VolumeMounts:   []corev1.VolumeMount{{Name: "corefile", MountPath: "/etc/coredns", ReadOnly: true}},
				ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/health", Port: intstr.FromInt32(healthy)}}},
				SecurityContext: &corev1.SecurityContext{ // as CoreDNS's own, whose file asks for that capability
					AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
					Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_BIND_SERVICE"}, Drop: []corev1.Capability{"ALL"}},
				},
			}},
		}},
	}}
}

// on are the Nodes of its pods that are Ready.
func (w *workload) on(ctx context.Context) (nodes []string, err error) {
	pods, err := w.client.Pods(registerNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + workloadName})
	if err != nil {
		return nil, err
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil {
				nodes = append(nodes, p.Spec.NodeName)
			}
		}
	}
	return nodes, nil
}

// deleteOne deletes one of its pods, which only a ReplicationController's controller and a
// scheduler can have made again.
func (w *workload) deleteOne(ctx context.Context) error {
	pods, err := w.client.Pods(registerNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + workloadName})
	if err != nil {
		return err
	}
	if len(pods.Items) == 0 {
		return errors.New("the drill's workload has no pod to delete")
	}
	return w.client.Pods(registerNamespace).Delete(ctx, pods.Items[0].Name, metav1.DeleteOptions{})
}

// ready waits until all its pods are.
func (w *workload) ready(ctx context.Context, poll time.Duration) error {
	for limit := time.Now().Add(workloadLimit); ; {
		nodes, err := w.on(ctx)
		switch {
		case err == nil && len(nodes) >= workloadPods:
			return nil
		case time.Now().After(limit):
			return errors.Join(fmt.Errorf("%d of its %d pods are Ready after %s", len(nodes), workloadPods, workloadLimit), err)
		}
		if err := sleep(ctx, poll); err != nil {
			return err
		}
	}
}

// removeWorkload takes away what there is of one.
func removeWorkload(ctx context.Context, client api) error {
	background := metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)}
	var errs []error
	for _, err := range []error{
		client.ReplicationControllers(registerNamespace).Delete(ctx, workloadName, background),
		client.Services(registerNamespace).Delete(ctx, workloadName, metav1.DeleteOptions{}),
		client.ConfigMaps(registerNamespace).Delete(ctx, workloadName+"-workload", metav1.DeleteOptions{}),
	} {
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
