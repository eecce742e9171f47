package main

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Much of what hakube prints was said by others: Compute Engine, machines,
// whoever made an object. None of it may act on the terminal it is read on, so
// every text passes one of these on its way out.

// plain writes out what is no character to be seen: escape sequences, carriage
// returns, marks that turn the direction of reading. Ends of lines and tabs
// stay.
func plain(text string) string {
	if !strings.ContainsFunc(text, acts) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case !acts(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// plainJSON is plain for what encoding/json made, and still means the same: it
// has escaped what is below a space, and no other place than a string can have
// what is above.
func plainJSON(text []byte) []byte {
	if bytes.IndexFunc(text, acts) < 0 {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		if !acts(r) {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
	}
	return b.Bytes()
}

func acts(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }

// brief cuts what somebody put into a message and nobody will read to its end.
func brief(text string) string {
	const most = 4000
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(text[:most], ""), len(text))
}
