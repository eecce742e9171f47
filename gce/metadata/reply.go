package metadata

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
)

// reply sends a whole body; a HEAD gets its headers only.
func reply(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client has gone: nobody to tell
	}
}

// redirect sends a directory's path without its slash to the one with it.
func redirect(w http.ResponseWriter, r *http.Request) {
	to := *r.URL
	to.Path += "/"
	to.RawPath = ""
	http.Redirect(w, r, to.RequestURI(), http.StatusMovedPermanently)
}

// refuse answers with a page in the words of Google's. why holds one %s for
// the path.
func refuse(w http.ResponseWriter, r *http.Request, status int, why string) {
	title := fmt.Sprintf("Error %d (%s)!!1", status, http.StatusText(status))
	why = fmt.Sprintf(why, html.EscapeString(r.URL.Path))
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>%s</title>\n"+
		"  <p><b>%d.</b> <ins>That’s an error.</ins>\n  <p>%s <ins>That’s all we know.</ins>\n", title, status, why)
}

func notFound(w http.ResponseWriter, r *http.Request) { notFoundBecause(w, r, "") }

func notFoundBecause(w http.ResponseWriter, r *http.Request, why string) {
	if why != "" {
		why = " " + why
	}
	refuse(w, r, http.StatusNotFound, "The requested URL <code>%s</code> was not found on this server."+why)
}

func unavailable(w http.ResponseWriter, r *http.Request) {
	refuse(w, r, http.StatusServiceUnavailable, "The server could not answer for <code>%s</code>. Please try again.")
}
