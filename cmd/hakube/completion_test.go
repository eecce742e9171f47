package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// completing is a shell that is asked for what may follow each of some lines. It
// prints, for each, the line, " => " and the candidates.
type completing struct{ shell, script string }

// In bash readline has split the line, also at =; in zsh the widget has its
// words; fish can be asked as it is.
var completings = []completing{
	{"bash", `eval "$(hakube completion bash)"
while IFS= read -r line; do
  COMP_WORDS=() word=''
  for ((i = 0; i < ${#line}; i++)); do
    c="${line:i:1}"
    case "$c" in
      ' ') [[ -n $word ]] && COMP_WORDS+=("$word"); word='' ;;
      =) [[ -n $word ]] && COMP_WORDS+=("$word"); COMP_WORDS+=('='); word='' ;;
      *) word+="$c" ;;
    esac
  done
  if [[ -n $word || $line != *= ]]; then COMP_WORDS+=("$word"); fi
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _hakube 2>/dev/null
  echo "$line => ${COMPREPLY[*]}"
done`},
	{"zsh", `compdef() { :; }
compset() { IPREFIX=1; }
_files() { print -n FILES; }
compadd() { shift; for c in "$@"; do [[ $c == "${words[CURRENT]#*=}"* ]] && print -n -- "$c "; done; }
eval "$(hakube completion zsh)"
while IFS= read -r line; do
  words=("${(@s: :)line}") CURRENT=${#words}
  print -r -- "$line => $(_hakube)"
done`},
	{"fish", `hakube completion fish | source
while read -l line
  echo "$line => "(complete -C $line | string replace -r '\t.*' '' | string replace -r '^--[a-z-]+=' '' | string join ' ')
end`},
}

// TestCompletionInShells asks real shells. After a flag with its value it goes
// on, values are offered, and nothing but the names of masters starts a process.
func TestCompletionInShells(t *testing.T) {
	top := t.TempDir()
	hakubeIn(t, top)
	const zones = "europe-west1-b europe-west1-c europe-west1-d"
	cases := []struct{ line, has, hasNot string }{
		{"hakube ", "up down status repair local help", "masters"},
		{"hakube local st", "start stop status", "env"},
		{"hakube plan ", "up down", "status"},
		{"hakube up --zone europe-west1-", zones, "us-central1-a"},
		{"hakube up --zone=europe-west1-", zones, "us-central1-a"},
		{"hakube up --zone europe-west1-b --num-", "--num-nodes", "--sweep"},
		{"hakube up --zone=europe-west1-b --num-", "--num-nodes", "--sweep"},
		{"hakube up --num-nodes 3 --zone europe-west1-b --provider ", "gce local", "--zone"},
		{"hakube up --multizone --zo", "--zone", "--sweep"},
		{"hakube up --multizone=", "true false", "--zone"},
		{"hakube up --multizone=false --num-n", "--num-nodes", ""},
		{"hakube plan up --zone europe-west1-b --exit", "--exit-code", ""},
		{"hakube down --zone=europe-west1-b --sw", "--sweep", "--num-nodes"},
		{"hakube down --delete-nodes=false --replica-name ", "kubernetes-master", "masters"},
		{"hakube repair --from-survivor ", "kubernetes-master", ""},
		{"hakube repair ", "kubernetes-master", ""},
		{"hakube local start --machines ", "real model", "gce"},
		{"hakube local start --machines=model --latency ", "none gce", "model"},
		{"hakube status --load-balancer ", "", "--zone"}, // is for up, and has a value all the same
		{"hakube help ", "env man up", ""},
		{"hakube completion ", "bash zsh fish", "masters"},
	}
	var lines strings.Builder
	for _, c := range cases {
		lines.WriteString(c.line + "\n")
	}
	for _, s := range completings {
		t.Run(s.shell, func(t *testing.T) {
			shell, err := exec.LookPath(s.shell)
			if err != nil {
				t.Skipf("%s is not installed", s.shell)
			}
			args := map[string][]string{"bash": {"--norc"}, "zsh": {"-f"}, "fish": {"--no-config"}}[s.shell]
			command := exec.Command(shell, append(args, "-c", s.script)...)
			command.Env = []string{"PATH=" + top + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PROJECT=example", "LANG=C.UTF-8"}
			command.Dir = t.TempDir()
			command.Stdin = strings.NewReader(lines.String())
			out, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, c := range cases {
				_, rest, found := strings.Cut("\n"+string(out), "\n"+c.line+" => ")
				got, _, _ := strings.Cut(rest, "\n")
				offered := " " + got + " "
				for _, w := range strings.Fields(c.has) {
					if !found || !strings.Contains(offered, " "+w+" ") {
						t.Errorf("%q offers %q, not %s", c.line, got, w)
					}
				}
				for _, w := range strings.Fields(c.hasNot) {
					if strings.Contains(offered, " "+w+" ") {
						t.Errorf("%q offers %q, so %s", c.line, got, w)
					}
				}
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}

// TestCompletionInReadline types at a real bash with a terminal.
func TestCompletionInReadline(t *testing.T) {
	for _, tool := range []string{"script", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	top := t.TempDir()
	hakubeIn(t, top)
	command := exec.Command("script", "-qec", "bash --norc --noprofile -i", "/dev/null")
	command.Env = []string{"PATH=" + top + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TERM=dumb", "PS1=$ ", "INPUTRC=/dev/null"}
	command.Stdin = strings.NewReader("eval \"$(hakube completion bash)\"; hakube() { printf 'called:'; printf ' <%s>' \"$@\"; echo; }\n" +
		"hakube sta\t--pro\texample --inst\tabc\n" +
		"hakube up --zone=europe-north1-\t\x15" + // three: nothing is chosen
		"hakube local sto\t\n" +
		"exit\n")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"called: <status> <--pro", "called: <local> <stop>"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// TestCompletionAsksTheRunning: masters are those of the embedded GCE, if it
// runs; completing does not start it.
func TestCompletionAsksTheRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gce")
	t.Setenv("HAKUBE_LOCAL_DIR", dir)
	t.Setenv("KUBERNETES_PROVIDER", "local")
	out, errs, code := call(t, "completion", "masters")
	if code != 0 || errs != "" || out != "kubernetes-master\n" {
		t.Errorf("%d %q %q", code, out, errs)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("completing has made a state directory")
	}
}
