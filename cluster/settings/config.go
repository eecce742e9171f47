package settings

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	// kelseyhightower/envconfig: variables to fields by tags, as the project asks for.
	"github.com/kelseyhightower/envconfig"
)

// Problems are everything wrong with the settings, one line each. Nothing was
// contacted to find them.
type Problems []string

func (p Problems) Error() string {
	if len(p) == 1 {
		return p[0]
	}
	return fmt.Sprintf("%d problems with the settings:\n%s", len(p), strings.Join(p, "\n"))
}

// Load reads the settings for verb from the environment, and from given, the
// values of flags by the variable's name, which win. defaultProject is asked
// when PROJECT is empty. Warnings are to be shown; any problem is an error of
// type [Problems], which holds all of them.
func Load(verb Verb, given map[string]string, defaultProject func(Provider) string) (s Settings, warnings []string, err error) {
	var probs Problems
	bad := map[string]bool{} // fields that are not what they should be, so no rule may ask them
	empty, warnings := empties(verb, given, bad)
	v := reflect.ValueOf(&s).Elem()
	s.given = givenBy(given)
	for _, f := range Fields() {
		name := f.Tag.Get("envconfig")
		text, isFlag := given[name]
		err := decode(v.FieldByIndex(f.Index), f, text, isFlag)
		if err == nil {
			continue
		}
		bad[f.Name] = true
		if isFlag {
			probs = append(probs, fmt.Sprintf("--%s=%s: %v", f.Tag.Get("flag"), quoted(text), err))
		} else {
			probs = append(probs, fmt.Sprintf("%s=%s: %v", name, quoted(os.Getenv(name)), err))
		}
	}
	if s.Project == "" && !bad["Project"] && !bad["Provider"] {
		if p := defaultProject(s.Provider); p != "" {
			if err := s.Project.Decode(p); err != nil {
				probs = append(probs, fmt.Sprintf("gcloud's configured project %s: %v", quoted(p), err))
				bad["Project"] = true
			}
		}
	}
	odds := s.warnings(verb)
	if named := s.Named(); verb == Up && len(named) > 0 {
		s.Zone = named[0] // where the first master is to be, if there is none yet
	}
	strange, odd := Strangers(os.Environ(), verb, s.Project)
	probs = append(append(probs, strange...), empty...)
	probs = append(probs, s.problems(verb, bad)...)
	warnings = slices.Concat(odd, warnings, odds)
	if len(probs) > 0 {
		return s, warnings, probs
	}
	return s.withoutOwn(verb), warnings, nil
}

// decode sets one field from the flag's text or else from the environment. A
// variable that is set but empty counts as not set (see empty.go); envconfig
// would take the empty text for a value.
func decode(field reflect.Value, f reflect.StructField, text string, isFlag bool) error {
	if isFlag && text == "" { // told by empties
		text = f.Tag.Get("default")
	} else if !isFlag {
		if env, set := os.LookupEnv(f.Tag.Get("envconfig")); !set || env != "" {
			one := reflect.New(reflect.StructOf([]reflect.StructField{f}))
			if err := envconfig.Process("", one.Interface()); err != nil {
				return plainly(err)
			}
			field.Set(one.Elem().Field(0))
			return nil
		}
		text = f.Tag.Get("default")
	}
	if d, ok := field.Addr().Interface().(envconfig.Decoder); ok {
		return d.Decode(text)
	}
	field.SetString(text)
	return nil
}

// plainly is what Decode said, without envconfig's words around it, which
// speak of Go types.
func plainly(err error) error {
	if p, ok := err.(*envconfig.ParseError); ok {
		return p.Err
	}
	return err
}
