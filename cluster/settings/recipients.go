package settings

import (
	"fmt"
	"regexp"
	"strings"
)

// Recipients are public keys of age, separated by commas, or none.
type Recipients string

// recipientGrammar is that of an X25519 recipient, which every version of age knows.
var recipientGrammar = regexp.MustCompile(`^age1[02-9ac-hj-np-z]{58}$`)

func (r *Recipients) Decode(s string) error {
	for _, key := range Recipients(s).List() {
		if strings.HasPrefix(key, "AGE-SECRET-KEY-") {
			return fmt.Errorf("that is a private key; the public one is in the same file, behind \"public key:\"")
		}
		if !recipientGrammar.MatchString(key) {
			return fmt.Errorf("not a public key of age; one looks like age1 and 58 more letters, as age-keygen prints it")
		}
	}
	*r = Recipients(strings.Join(Recipients(s).List(), ","))
	return nil
}

// List is each of them.
func (r Recipients) List() (keys []string) {
	for key := range strings.SplitSeq(string(r), ",") {
		if key = strings.TrimSpace(key); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}
