package cluster

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"k8s.io/client-go/tools/clientcmd"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/settings"
)

// attacks are texts that a setting must not carry into a shell, a path, a
// template, a URL or a terminal.
var attacks = []string{
	"'", `"`, "`id`", "$(id)", "${HOME}", "a;id", "a|id", "a&id", "a\nid", "a\r", "\x00", "a\x00b", "-x", "--project=x", "../../etc/passwd", "/etc/passwd", "~root",
	"a b", " a", "a ", "a\tb", "*", "?", "[a]", "{a,b}", "a\\b", "a%00b", "a%2e%2e", "<b>", "#a", "a#", "a=b", "{{.}}", "%s%n", "\x1b[31m", "\u202eabc", "\u009b31m", "\xff\xfe", "é", "ａ",
	"null\x00", "http://a/$(id)", "http://a/?b", "http://u:p@a/", "http://a\nb/", "http://-a/", "http://a/;id", "http://a/&id", "http://a/|id", "http://a/(id)", "file:///etc/passwd", "javascript:x",
	"https://www.googleapis.com/auth/$(id)", "https://www.googleapis.com/auth/", "a@b;id", "$(id)@b.c", "@b.c", "storage-ro,$(id)", "storage-ro,",
	"9223372036854775807", "9223372036854775808", "-1", "-0", "1e9", "0x10", "1_000", "99999999999999999999", "9223372037", "2562048h", "1GB;id", "20GB20GB",
	"10.0.0.0/8;id", "10.0.0.0/8\n", "10.0.0.0/99", "10.0.0.0", "::/0", "fe80::1%$(id)/64", "fe80::1%eth0", "v1.36.3;id", "v1.36.3-$(id)", "v1.36.3/../x", "v1.36.3\n", "europe-west1-b\n", "europe-west1-b;id",
	strings.Repeat("a", 1<<20), strings.Repeat("9", 1<<20), "v1.36.3-" + strings.Repeat("a", 1<<20), strings.Repeat("a", 1<<20) + "-b1-c", "http://a/" + strings.Repeat("a", 1<<20),
	strings.Repeat("storage-ro,", 1<<17), strings.Repeat("\x1b[2J", 1<<18), "/" + strings.Repeat("a/", 1<<19),
}

// freeText are the settings that may be any text that can be seen: they reach
// a file's name and a kubeconfig, whose library writes them as what they are,
// and no shell, no URL and no machine.
var freeText = []string{"KUBECONFIG", "HAKUBE_SSH_KEY", "HAKUBE_BACKUP_IDENTITY", "HAKUBE_BACKUP_TO", "OVERRIDE_CONTEXT"}

// harmless is what may stand in a script, a path, a template or a URL. A scope
// is a URL of Google's, several are a list.
var harmless = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$|^\[[A-Za-z0-9._:/ -]*\]$|^$|^invalid IP$`) // the last is none

// pairs are lists of name=value, as Kubernetes takes labels and taints; what is between
// "=", ":" and "," is as harmless as all else.
var pairs = map[string]*regexp.Regexp{
	"KUBE_NODE_LABELS":  regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*=[A-Za-z0-9._-]*$|^$`),
	"NODE_ACCELERATORS": regexp.MustCompile(`^(type=[a-z][-a-z0-9]*|count=[0-9]+)?$`),
	"KUBE_NODE_TAINTS":  regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*(=[A-Za-z0-9._-]*)?:[A-Za-z]+$|^$`),
}

// TestAttacks tries every setting there is, found in the struct so that no new
// one is forgotten, as a variable and as a flag.
func TestAttacks(t *testing.T) {
	for _, kv := range os.Environ() { // each variable that is no setting is compared with all that are, 11,000 times
		if name, value, _ := strings.Cut(kv, "="); name != "HOME" {
			t.Setenv(name, value) // it is put back at the end
			os.Unsetenv(name)
		}
	}
	project := func(settings.Provider) string { return "example" }
	fields := settings.Fields()
	tried, refused := 0, 0
	for i, f := range fields {
		name := f.Tag.Get("envconfig")
		for k, text := range attacks {
			if testing.Short() && (i+k)%8 != 0 {
				continue // each text at every fourth setting, each setting with every fourth text
			}
			for _, way := range []string{"flag", "variable"} {
				given := map[string]string{"KUBE_GCE_ZONE": "europe-west1-b"}
				if way == "flag" {
					given[name] = text
				} else {
					if strings.ContainsRune(text, 0) {
						continue // no environment can hold it
					}
					delete(given, name)
					t.Setenv(name, text)
				}
				tried++
				what := fmt.Sprintf("%s %s=%.60q", way, name, text)
				s, warnings, err := settings.Load(settings.Up, given, project)
				os.Unsetenv(name)
				said := append(slices.Clone(warnings), "")
				if err != nil {
					said = append(said, err.Error())
				}
				for _, m := range said {
					if len(m) > 2000 {
						t.Errorf("%s: a message of %d bytes", what, len(m))
					}
					if strings.ContainsFunc(m, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
						t.Errorf("%s: the message %q acts on a terminal", what, m)
					}
				}
				if err != nil {
					refused++
					if _, ok := err.(settings.Problems); !ok {
						t.Errorf("%s: %T is no list of problems", what, err)
					}
					continue
				}
				is := fmt.Sprint(reflect.ValueOf(s).FieldByIndex(f.Index).Interface())
				switch {
				case len(is) > 4096:
					t.Errorf("%s: accepted as %d bytes", what, len(is))
				case slices.Contains(freeText, name):
					if strings.ContainsFunc(is, func(r rune) bool { return !unicode.IsPrint(r) }) {
						t.Errorf("%s: accepted as %q", what, is)
					}
				case pairs[name] != nil:
					if !pairs[name].MatchString(is) {
						t.Errorf("%s: accepted as %q", what, is)
					}
				case !harmless.MatchString(is):
					t.Errorf("%s: accepted as %q", what, is)
				}
			}
		}
	}
	t.Logf("%d settings, %d texts: %d tried, %d refused, the others harmless", len(fields), len(attacks), tried, refused)
}

// TestStrangersAttack: a variable that is no setting may hold and be called anything.
func TestStrangersAttack(t *testing.T) {
	for _, text := range attacks {
		for _, kv := range []string{"KUBE_" + text + "=x", "HAKUBE_XYZ=" + text, "KUBE_GCE_ZNE=" + text, "KUBE_USER=" + text} {
			probs, warnings := settings.Strangers([]string{kv}, settings.Up, "example")
			for _, m := range append(probs, warnings...) {
				if len(m) > 1000 {
					t.Errorf("%.60q: a message of %d bytes", kv, len(m))
				}
			}
		}
	}
}

// TestFreeText makes a cluster whose context and kubeconfig are called what
// nobody would call them: the file has that name, the entry has that name and
// opens the cluster, and what a shell would have done has not happened.
func TestFreeText(t *testing.T) {
	const evil = `-n '$(touch canary)' "; touch canary; ` + "`touch canary`" + ` #{{.}}: *&!|>%@`
	t.Chdir(t.TempDir())
	w := newWorld(t)
	o := w.operator(func(s *settings.Settings) { s.OverrideName = settings.Title(evil) })
	summary, err := o.Up(t.Context(), w.events())
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(o.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := kube.EntryOf(config, evil); !ok || e.Server != summary.URL || config.CurrentContext != evil || summary.Context != evil {
		t.Errorf("the entry: %t %+v; the current context is %q", ok, e.Server, config.CurrentContext)
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("made on the way: %v %v", left, err)
	}
}

// FuzzSettings gives any text to any setting.
func FuzzSettings(f *testing.F) {
	fields := settings.Fields()
	for i, x := range fields {
		f.Add(uint8(i), x.Tag.Get("default"))
	}
	for _, text := range attacks {
		if len(text) < 1000 {
			f.Add(uint8(0), text)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, text string) {
		field := fields[int(i)%len(fields)]
		name := field.Tag.Get("envconfig")
		s, _, err := settings.Load(settings.Up, map[string]string{"KUBE_GCE_ZONE": "europe-west1-b", name: text}, func(settings.Provider) string { return "example" })
		if err != nil {
			if len(err.Error()) > 5000 {
				t.Errorf("%s=%q: a message of %d bytes", name, text, len(err.Error()))
			}
			return
		}
		is := fmt.Sprint(reflect.ValueOf(s).FieldByIndex(field.Index).Interface())
		if !slices.Contains(freeText, name) && !harmless.MatchString(is) {
			t.Errorf("%s=%q: accepted as %q", name, text, is)
		}
	})
}

// FuzzMark reads any description: it is ours only if it says so in full, and
// what we write reads back as ours and as nobody else's.
func FuzzMark(f *testing.F) {
	m := settings.Mark{Project: "p", Cluster: "kubernetes", Multizone: true}
	f.Add("kubernetes", "p", m.For("master"))
	f.Add("kubernetes", "p", "hakube: cluster=kubernetes project=p")
	f.Add("kubernetes", "p", "hakube: project=q cluster=kubernetes project=p")
	f.Add("", "", "hakube: ")
	f.Add("a b", "", "hakube:  = ==")
	f.Fuzz(func(t *testing.T, cluster, project, description string) {
		m := settings.Mark{Project: project, Cluster: cluster}
		if m.Owns(description) && !strings.HasPrefix(description, settings.MarkStart) {
			t.Errorf("%q is taken for a mark", description)
		}
		for _, role := range []string{inventory.RoleMaster, inventory.RoleTemplate} {
			if settings.NameGrammar.MatchString(cluster) && settings.ProjectGrammar.MatchString(project) {
				if !m.Owns(m.For(role)) || (settings.Mark{Project: project, Cluster: cluster + "x"}).Owns(m.For(role)) {
					t.Errorf("%q is read wrongly", m.For(role))
				}
			}
		}
		if m.Owns(description) && cluster == "" {
			t.Errorf("%q is of a cluster without a name", description)
		}
	})
}
