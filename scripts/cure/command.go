package cure

import (
	"errors"
	"slices"
	"strings"
)

// A Command is a command line. The zero value is none.
type Command struct {
	unset []string // variables that must not be there, whatever the shell exports
	vars  []Var    // variables it is run with, in the order they are shown
	args  []string // the program and its arguments
}

// A Var is an environment variable.
type Var struct{ Name, Value string }

func command(args ...string) Command { return Command{args: args} }

// Again is the command line that was typed.
func Again(args ...string) Command { return Command{args: slices.Clone(args)} }

// With adds a variable, or changes it.
func (c Command) With(name, value string) Command {
	c.vars = slices.DeleteFunc(slices.Clone(c.vars), func(v Var) bool { return v.Name == name })
	c.unset = slices.DeleteFunc(slices.Clone(c.unset), func(n string) bool { return n == name })
	c.vars = append(c.vars, Var{name, value})
	return c
}

// Without takes a variable away, from the shell's exported ones too.
func (c Command) Without(name string) Command {
	c.vars = slices.DeleteFunc(slices.Clone(c.vars), func(v Var) bool { return v.Name == name })
	if !slices.Contains(c.unset, name) {
		c.unset = append(slices.Clone(c.unset), name)
	}
	return c
}

// OfPool is the same for a pool of the zone that has a name; "" is the one without.
func (c Command) OfPool(name string) Command {
	if name == "" {
		return c
	}
	return c.With("HAKUBE_POOL", name)
}

// Flag adds an argument at the end.
func (c Command) Flag(text string) Command {
	c.args = append(slices.Clone(c.args), text)
	return c
}

// Program exchanges the program for where it is.
func (c Command) Program(path string) Command {
	c.args = slices.Clone(c.args)
	c.args[0] = path
	return c
}

// Args are the program and its arguments.
func (c Command) Args() []string { return slices.Clone(c.args) }

// Vars are the variables it is run with.
func (c Command) Vars() []Var { return slices.Clone(c.vars) }

// Is tells whether its first words are these.
func (c Command) Is(words ...string) bool {
	return len(c.args) >= len(words) && slices.Equal(c.args[:len(words)], words)
}

// Var is what it sets a variable to.
func (c Command) Var(name string) (value string, set bool) {
	i := slices.IndexFunc(c.vars, func(v Var) bool { return v.Name == name })
	if i < 0 {
		return "", false
	}
	return c.vars[i].Value, true
}

// String is the command for any POSIX shell.
func (c Command) String() string {
	var words []string
	if len(c.unset) > 0 { // a variable that is set and empty is another thing
		words = append(words, "env")
		for _, name := range c.unset {
			words = append(words, "-u", name)
		}
	}
	for _, v := range c.vars {
		words = append(words, v.Name+"="+Quote(v.Value))
	}
	for _, a := range c.args {
		words = append(words, Quote(a))
	}
	return strings.Join(words, " ")
}

// Quote makes one word for a shell of any text.
func Quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,@%+=", r)
	}
	if s != "" && !slices.ContainsFunc([]rune(s), func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Parse reads a line that String wrote.
func Parse(line string) (c Command, err error) {
	words, err := split(line)
	if err != nil {
		return c, err
	}
	if len(words) > 0 && words[0] == "env" {
		for words = words[1:]; len(words) > 1 && words[0] == "-u"; words = words[2:] {
			c.unset = append(c.unset, words[1])
		}
	}
	for ; len(words) > 0 && strings.Contains(words[0], "="); words = words[1:] {
		name, value, _ := strings.Cut(words[0], "=")
		c.vars = append(c.vars, Var{name, value})
	}
	if c.args = words; len(words) == 0 {
		return c, errors.New("no program is in it")
	}
	return c, nil
}

// split takes a shell's words apart. What else a shell would act upon is no
// line of String's.
func split(line string) (words []string, err error) {
	var word strings.Builder
	in, quoted := false, false
	for i := 0; i < len(line); i++ {
		switch b := line[i]; {
		case quoted && b == '\'':
			quoted = false
		case quoted:
			word.WriteByte(b)
		case b == '\'':
			in, quoted = true, true
		case b == '\\' && i+1 < len(line) && line[i+1] == '\'':
			word.WriteByte('\'')
			in, i = true, i+1
		case b == ' ':
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		case strings.IndexByte("\"$`\\;&|<>()#*?~\n\t", b) >= 0:
			return nil, errors.New("a shell would act upon " + string(b))
		default:
			word.WriteByte(b)
			in = true
		}
	}
	if quoted {
		return nil, errors.New("a quote does not end")
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}
