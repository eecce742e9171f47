package etcdtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/replicate/etcdtest/kubeapi"
	"hakube/scripts"
)

// exchanged is what a master has while its cluster's authority is exchanged for another one.
type exchanged struct {
	Before []byte   `json:"before,omitempty"` // that signs no more and is trusted, PEM
	Cross  []byte   `json:"cross,omitempty"`  // the one that signs, by that
	Next   *pki     `json:"next,omitempty"`   // that will sign, and is trusted
	At     exchange `json:"at,omitzero"`
}

// trusted are all in PEM, the one that signs first.
func (x *content) trusted() []byte {
	all := bytes.Clone(x.PKI.CA)
	if x.Authority.Next != nil {
		all = append(all, x.Authority.Next.CA...)
	}
	return append(all, x.Authority.Before...)
}

// trustedCAs are all of them.
func (x *content) trustedCAs() (list []*x509.Certificate, err error) {
	for text := x.trusted(); ; {
		block, rest := pem.Decode(text)
		if block == nil {
			return list, nil
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading the cluster's authorities: %w", err)
		}
		list, text = append(list, c), rest
	}
}

// knows tells whether one of them is what a node was told to find.
func (x *content) knows(hash string) bool {
	list, err := x.trustedCAs()
	return err == nil && slices.ContainsFunc(list, func(c *x509.Certificate) bool { return hashOf(c) == hash })
}

// vouch is a certificate of another authority by this one.
func (p *pki) vouch(next *pki) ([]byte, error) {
	by, err := tls.X509KeyPair(p.CA, p.Key)
	if err != nil {
		return nil, fmt.Errorf("loading the cluster's CA: %w", err)
	}
	of, err := next.ca()
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(nil, of, by.Leaf, of.PublicKey, by.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("vouching for another CA: %w", err)
	}
	return pemBlock("CERTIFICATE", der), nil
}

// signNext has the next one sign: all that the machine shows is by it from then on.
func (x *content) signNext() error {
	next := x.Authority.Next
	if next == nil { // a master that joined in between
		return nil
	}
	cross, err := x.PKI.vouch(next)
	if err != nil {
		return err
	}
	x.Authority = exchanged{Before: x.PKI.CA, Cross: cross, At: x.Authority.At}
	x.PKI = next
	cert, key, err := next.admin(0)
	if err == nil {
		x.AdminConf, err = withKey(x.AdminConf, cert, key)
	}
	return err
}

// publish is what controller-manager tells pods.
func (k *controlPlane) publish() error {
	m := corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-root-ca.crt"},
		Data:       map[string]string{"ca.crt": string(k.disk.content.trusted())},
	}
	kubeapi.StampNew(&m)
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = k.main().write(map[string]json.RawMessage{kubeapi.ConfigMaps.Key(m.Namespace, m.Name): text})
	return err
}

var (
	certificateLine      = regexp.MustCompile(`(?m)^HAVE_CERTIFICATE=(\S*)$`)
	authorityCertificate = regexp.MustCompile(`(certificate-authority-data: ).*`)
)

// another is the authority that another master has, as the script has it; nil of none.
func (c Call) another() (*pki, error) {
	key, cert := haveLine.FindStringSubmatch(c.Script), certificateLine.FindStringSubmatch(c.Script)
	if key == nil || cert == nil || key[1] == "" || cert[1] == "" {
		return nil, nil
	}
	p := &pki{}
	var err error
	if p.Key, err = base64.StdEncoding.DecodeString(key[1]); err != nil {
		return nil, err
	}
	text, err := base64.StdEncoding.DecodeString(cert[1])
	if err != nil {
		return nil, err
	}
	p.CA = firstPEM(text)
	_, err = tls.X509KeyPair(p.CA, p.Key)
	return p, err
}

// firstPEM is the first certificate of several.
func firstPEM(text []byte) []byte {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	return pem.EncodeToMemory(block)
}

// Files of it below the data disk, beside those that hakube knows.
const fileCross = "kubernetes/pki/ca-cross.crt"

func (x *content) exportAuthority(files map[string][]byte) {
	files[scripts.AuthorityFile] = x.trusted()
	if next := x.Authority.Next; next != nil {
		files[scripts.NextAuthorityFile], files[scripts.NextAuthorityKeyFile] = next.CA, next.Key
	}
	if len(x.Authority.Cross) > 0 {
		files[fileCross] = x.Authority.Cross
	}
}

// authorityOf reads them.
func authorityOf(files map[string][]byte) (a exchanged) {
	if key := files[scripts.NextAuthorityKeyFile]; len(key) > 0 {
		a.Next = &pki{CA: files[scripts.NextAuthorityFile], Key: key}
		return a
	}
	first := firstPEM(files[scripts.AuthorityFile])
	a.Before, a.Cross = bytes.TrimPrefix(files[scripts.AuthorityFile], first), files[fileCross]
	return a
}

// take has a master trust the next authority.
func (x *content) take(c Call, rotation string) error {
	a := &x.Authority
	next, err := c.another()
	switch {
	case err != nil:
		return fmt.Errorf("what another master has is no authority: %w", err)
	case next != nil:
	case a.Next != nil:
		next = a.Next
	default:
		if next, err = newNamedPKI("kubernetes-"+rotation, 0); err != nil {
			return err
		}
	}
	if bytes.Equal(next.CA, x.PKI.CA) {
		next = nil
	}
	a.Next = next
	a.At = exchange{rotation, "trusted"}
	return nil
}

// authorityScript is scripts/authority.sh.
func authorityScript(ctx context.Context, c Call) int {
	if len(c.Args) != 2 || !tokenStage.MatchString(c.Args[0]) || !rotationArgument.MatchString(c.Args[1]) {
		return c.fail("usage: authority trusted|signs|alone ROTATION")
	}
	stage, rotation := c.Args[0], c.Args[1]
	s, code := c.onMaster(ctx)
	if code != 0 {
		return code
	}
	g := s.Guest
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	x := &g.control.disk.content
	if stage != "alone" && x.Authority.At.Rotation != rotation {
		if err := x.take(c, rotation); err != nil {
			return c.fail("%v", err)
		}
	}
	var err error
	switch stage {
	case "signs":
		err = x.signNext()
	case "alone":
		if x.Authority.Next != nil {
			return c.fail("another authority is here, which does not sign yet")
		}
		x.Authority = exchanged{}
	}
	if err == nil {
		x.AdminConf = authorityCertificate.ReplaceAllString(x.AdminConf, "${1}"+base64.StdEncoding.EncodeToString(x.trusted()))
		err = g.control.disk.save()
	}
	if err == nil && g.control.serving != nil {
		g.control.serving, err = s.servingTLS(g.control.disk)
	}
	if err == nil {
		err = g.control.publish()
	}
	if err != nil {
		return c.fail("%v", err)
	}
	g.w.happened()
	if !g.ready() {
		return c.fail("the API server is ready: not after 60 s")
	}
	x.Authority.At = exchange{rotation, stage}
	if err := g.control.disk.save(); err != nil {
		return c.fail("%v", err)
	}
	return c.answer(map[string]string{"authority": rotation + " " + stage})
}

// Authorities are those that the machine trusts, as kubeadm names them, the one that signs first.
func (g *Guest) Authorities() (list []string) {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil || g.control.disk.content.PKI == nil {
		return nil
	}
	cas, _ := g.control.disk.content.trustedCAs()
	for _, c := range cas {
		list = append(list, hashOf(c))
	}
	return list
}

// ExchangedAuthority is which exchange of that was brought how far, "1767225600000 signs".
func (g *Guest) ExchangedAuthority() string {
	return g.exchangeOf(func(x *content) exchange { return x.Authority.At })
}

// authority is what scripts/etcd-status.sh says of it.
func (g *Guest) authority(all bool) map[string]any {
	list := g.Authorities()
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil || len(list) == 0 {
		return map[string]any{}
	}
	at := g.control.disk.content.Authority.At
	said := map[string]any{"trusts": len(list), "rotation": at.Rotation, "stage": at.Stage}
	if all {
		said["signs"] = list[0]
	}
	return said
}

// The authority of both rings, as far as a model has it: by which one a machine's members show
// themselves, and by which they take others. Names stand for keys.

func (k tokenKeys) exportRings(files map[string][]byte) {
	files[scripts.EtcdAuthorityKeyFile], files[scripts.EtcdAuthorityFile] = []byte(k.Signs), []byte(strings.Join(k.Trusts, "\n"))
	if k.Next != "" {
		files[scripts.NextEtcdAuthorityKeyFile], files[scripts.NextEtcdAuthorityFile] = []byte(k.Next), []byte(k.Next)
	}
}

func ringsBy(files map[string][]byte) tokenKeys {
	return tokenKeys{Signs: string(files[scripts.EtcdAuthorityKeyFile]), Trusts: strings.Fields(string(files[scripts.EtcdAuthorityFile])), Next: string(files[scripts.NextEtcdAuthorityKeyFile])}
}

// EtcdAuthority is by which authority the machine's members show themselves, and by which they take others.
func (g *Guest) EtcdAuthority() (signs string, trusts []string) {
	return g.keysOf(func(x *content) tokenKeys { return x.EtcdCA })
}

// ExchangedEtcdAuthority is which exchange of that was brought how far.
func (g *Guest) ExchangedEtcdAuthority() string {
	return g.exchangeOf(func(x *content) exchange { return x.EtcdCA.At })
}

// etcdAuthority is what scripts/etcd-status.sh says of it.
func (g *Guest) etcdAuthority() map[string]any {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil {
		return map[string]any{}
	}
	k := g.control.disk.content.EtcdCA
	return map[string]any{"trusts": len(k.Trusts), "rotation": k.At.Rotation, "stage": k.At.Stage}
}

// take is what comes before the first stage, or with it.
func (k *tokenKeys) take(c Call, rotation string) bool {
	if k.Next == k.Signs {
		k.Next = ""
	}
	switch m := haveLine.FindStringSubmatch(c.Script); {
	case m != nil && m[1] != "":
		have, err := base64.StdEncoding.DecodeString(m[1])
		if err != nil {
			return false
		}
		k.Next = string(have)
	case k.Next == "":
		k.Next = "etcd-ca-" + rotation
	}
	if k.Next == k.Signs { // it joined in between
		k.Next = ""
	}
	k.trust(k.Next)
	return true
}

// etcdAuthorityScript is scripts/etcd-authority.sh.
func etcdAuthorityScript(ctx context.Context, c Call) int {
	if len(c.Args) != 2 || !tokenStage.MatchString(c.Args[0]) && c.Args[0] != "only" || !rotationArgument.MatchString(c.Args[1]) {
		return c.fail("usage: etcd-authority trusted|signs|alone|only ROTATION")
	}
	stage, rotation := c.Args[0], c.Args[1]
	g := c.Guest
	g.booted(ctx)
	if !g.founded() {
		return c.fail("this machine is no master yet")
	}
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k := &g.control.disk.content.EtcdCA
	if stage != "alone" && k.At.Rotation != rotation && !k.take(c, rotation) {
		return c.fail("what another master has is no authority")
	}
	switch {
	case (stage == "signs" || stage == "only") && k.Next != "":
		k.Signs, k.Next = k.Next, ""
	case stage == "alone" && k.Next != "":
		return c.fail("another authority is here, which does not sign yet")
	}
	if stage == "alone" || stage == "only" {
		k.Trusts, stage = []string{k.Signs}, "alone"
	}
	k.At = exchange{rotation, stage}
	if err := g.control.disk.save(); err != nil {
		return c.fail("%v", err)
	}
	g.w.happened()
	if !g.ready() {
		return c.fail("kube-apiserver has read the authorities: not after 240 s")
	}
	return c.answer(map[string]string{"etcdAuthority": rotation + " " + stage})
}
