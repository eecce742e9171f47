package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// completionCommand prints a script for the shell; what can come next is
// written into it, so that completing starts no process.
func completionCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print shell completion: eval \"$(hakube completion bash)\"",
		ArgsUsage: "bash|zsh|fish",
		Action: func(c *cli.Context) error {
			shells := map[string]func([]*cli.Command) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
			script, ok := shells[c.Args().First()]
			if !ok || c.NArg() != 1 {
				return usageError{fmt.Errorf("completion takes one of bash, zsh, fish")}
			}
			u.printf("%s", script(c.App.Commands))
			return nil
		},
	}
}

// words are what may follow a command: its subcommands and flags.
func words(c *cli.Command) []string {
	var list []string
	for _, sub := range c.Subcommands {
		list = append(list, sub.Name)
	}
	if c.Name == "completion" {
		list = append(list, "bash", "zsh", "fish")
	}
	if c.Name == "help" {
		list = append(list, "env")
	}
	for _, f := range c.Flags {
		list = append(list, "--"+f.Names()[0])
	}
	return list
}

// eachCommand visits commands and their subcommands with their full names.
func eachCommand(list []*cli.Command, before string, visit func(path string, c *cli.Command)) {
	for _, c := range list {
		if c.Hidden {
			continue
		}
		path := strings.TrimSpace(before + " " + c.Name)
		visit(path, c)
		eachCommand(c.Subcommands, path, visit)
	}
}

func names(list []*cli.Command) string {
	var n []string
	eachCommand(list, "", func(path string, c *cli.Command) {
		if !strings.Contains(path, " ") {
			n = append(n, path)
		}
	})
	return strings.Join(n, " ")
}

// cases are the lines of a shell's case statement over the words so far.
func cases(list []*cli.Command) string {
	var b strings.Builder
	eachCommand(list, "", func(path string, c *cli.Command) {
		fmt.Fprintf(&b, "    '%s') next='%s' ;;\n", path, strings.Join(words(c), " "))
	})
	return b.String()
}

const bashScript = `# bash completion for hakube
_hakube() {
  local path='' word next='%s'
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="${path:+$path }$word" ;; esac
  done
  case "$path" in
    '') ;;
%s    *) next='' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$next" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _hakube hakube
`

func bashCompletion(list []*cli.Command) string {
	return fmt.Sprintf(bashScript, names(list), cases(list))
}

const zshScript = `#compdef hakube
_hakube() {
  local joined='' word next='%s'
  for word in "${(@)words[2,CURRENT-1]}"; do
    case "$word" in -*) ;; *) joined="${joined:+$joined }$word" ;; esac
  done
  case "$joined" in
    '') ;;
%s    *) next='' ;;
  esac
  compadd -- ${=next}
}
compdef _hakube hakube
`

func zshCompletion(list []*cli.Command) string {
	return fmt.Sprintf(zshScript, names(list), cases(list))
}

func fishCompletion(list []*cli.Command) string {
	var b strings.Builder
	b.WriteString("# fish completion for hakube\ncomplete -c hakube -f\n")
	fmt.Fprintf(&b, "complete -c hakube -n __fish_use_subcommand -a '%s'\n", names(list))
	eachCommand(list, "", func(path string, c *cli.Command) {
		condition := "__fish_seen_subcommand_from " + c.Name
		if parent, _, sub := strings.Cut(path, " "); sub {
			condition = "__fish_seen_subcommand_from " + parent + "; and " + condition
		}
		var plain []string
		for _, w := range words(c) {
			if flag, ok := strings.CutPrefix(w, "--"); ok {
				fmt.Fprintf(&b, "complete -c hakube -n '%s' -l %s\n", condition, flag)
			} else {
				plain = append(plain, w)
			}
		}
		if len(plain) > 0 {
			fmt.Fprintf(&b, "complete -c hakube -n '%s' -a '%s'\n", condition, strings.Join(plain, " "))
		}
	})
	return b.String()
}
