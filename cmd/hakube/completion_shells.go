package main

import (
	"fmt"
	"strings"

	"hakube/scripts/cure"
)

// Three functions that bash and zsh have in common: what may follow a command,
// what may follow a flag, and whether something must.
var tables = `_hakube_words() {
  case "$1" in
%s  esac
}
_hakube_values() {
  case "$1" in
%s  esac
}
_hakube_takes() {
  case "$1" in
    %s) return 0 ;;
  esac
  return 1
}
_hakube_masters() { command ` + cure.Completion(mastersWord).String() + ` 2>/dev/null; }
`

func posixTables(c completion) string {
	var words, values strings.Builder
	var takes []string
	line := func(list []string) string {
		var parts []string
		for _, w := range list {
			if w == mastersWord {
				w = "$(_hakube_masters)"
			}
			parts = append(parts, w)
		}
		return `echo "` + strings.Join(parts, " ") + `"`
	}
	for _, p := range c.paths {
		fmt.Fprintf(&words, "    '%s') %s ;;\n", p.path, line(p.words))
	}
	for _, f := range c.flags {
		if len(f.values) > 0 {
			fmt.Fprintf(&values, "    --%s) %s ;;\n", f.name, line(f.values))
		}
		if f.takes {
			takes = append(takes, "--"+f.name)
		}
	}
	return fmt.Sprintf(tables, words.String(), values.String(), strings.Join(takes, "|"))
}

// In bash = is a word of its own, unless somebody has taken it from
// COMP_WORDBREAKS.
const bashMain = `_hakube() {
  local path='' flag='' word next cur="${COMP_WORDS[COMP_CWORD]}" before='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    if [[ $word == '=' ]]; then
      flag="${COMP_WORDS[i-1]}"
    elif [[ -n $flag ]]; then
      flag=''
    else
      case "$word" in
        -*=*) ;;
        -*) if _hakube_takes "$word"; then flag="$word"; fi ;;
        *) path="${path:+$path }$word" ;;
      esac
    fi
  done
  if [[ $cur == '=' ]]; then
    flag="${COMP_WORDS[COMP_CWORD-1]}" cur=''
  elif [[ -z $flag && $cur == -*=* ]]; then
    flag="${cur%%=*}" before="$flag=" cur="${cur#*=}"
  fi
  if [[ -n $flag ]]; then next="$(_hakube_values "$flag")"; else next="$(_hakube_words "$path")"; fi
  COMPREPLY=()
  if [[ $next == FILE ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r word; do COMPREPLY+=("$before$word"); done < <(compgen -f -- "$cur")
  else
    while IFS= read -r word; do COMPREPLY+=("$before$word"); done < <(compgen -W "$next" -- "$cur")
  fi
}
complete -F _hakube hakube
`

func bashCompletion(c completion) string {
	return "# bash completion for hakube\n" + posixTables(c) + bashMain
}

// The last lines let the file be evaluated, and be a function that zsh loads by
// its name.
const zshMain = `_hakube() {
  local joined='' flag='' word next cur="${words[CURRENT]}" i
  for ((i = 2; i < CURRENT; i++)); do
    word="${words[i]}"
    if [[ -n $flag ]]; then
      flag=''
    else
      case "$word" in
        -*=*) ;;
        -*) if _hakube_takes "$word"; then flag="$word"; fi ;;
        *) joined="${joined:+$joined }$word" ;;
      esac
    fi
  done
  if [[ -z $flag && $cur == -*=* ]]; then
    flag="${cur%%=*}"
    compset -P '*='
  fi
  if [[ -n $flag ]]; then next="$(_hakube_values "$flag")"; else next="$(_hakube_words "$joined")"; fi
  if [[ $next == FILE ]]; then _files; else compadd -- ${=next}; fi
}
if [[ "${funcstack[1]}" == _hakube ]]; then _hakube "$@"; else compdef _hakube hakube; fi
`

func zshCompletion(c completion) string {
	return "#compdef hakube\n" + posixTables(c) + zshMain
}

const fishMain = `# fish completion for hakube
function __hakube_at # whether the words so far are the command of the arguments
  set -l path
  set -l flag
  for word in (commandline -opc)[2..]
    if test -n "$flag"
      set flag ''
      continue
    end
    switch $word
      case '-*=*'
      case '-*'
        if contains -- $word %s
          set flag $word
        end
      case '*'
        set -a path $word
    end
  end
  test "$path" = "$argv"
end
complete -c hakube -f
`

func fishCompletion(c completion) string {
	flags := map[string]flagValues{}
	var takes []string
	for _, f := range c.flags {
		flags[f.name] = f
		if f.takes {
			takes = append(takes, "--"+f.name)
		}
	}
	offer := func(list []string) string {
		if len(list) == 1 && list[0] == mastersWord {
			return "(command " + cure.Completion(mastersWord).String() + " 2>/dev/null)"
		}
		return strings.Join(list, " ")
	}
	var b strings.Builder
	fmt.Fprintf(&b, fishMain, strings.Join(takes, " "))
	for _, p := range c.paths {
		at := fmt.Sprintf("complete -c hakube -n '__hakube_at %s'", p.path)
		var plain []string
		for _, w := range p.words {
			name, isFlag := strings.CutPrefix(w, "--")
			f := flags[name]
			text := strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(f.text)
			switch {
			case !isFlag:
				plain = append(plain, w)
			case len(f.values) == 1 && f.values[0] == fileWord:
				fmt.Fprintf(&b, "%s -l %s -rF -d '%s'\n", at, name, text)
			case f.takes:
				fmt.Fprintf(&b, "%s -l %s -x -a '%s' -d '%s'\n", at, name, offer(f.values), text)
			case len(f.values) > 0: // after = only
				fmt.Fprintf(&b, "%s -l %s -a '%s' -d '%s'\n", at, name, offer(f.values), text)
			default:
				fmt.Fprintf(&b, "%s -l %s -d '%s'\n", at, name, text)
			}
		}
		if len(plain) > 0 {
			fmt.Fprintf(&b, "%s -a '%s'\n", at, offer(plain))
		}
	}
	return b.String()
}
