package web

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/problem"
)

// maxParts is how many requests Google takes in one batch.
const maxParts = 1000

// batch answers /batch/compute/v1: requests in the parts of a multipart/mixed
// body, done side by side, since among them may be waits of two minutes.
func (s *Front) batch(w http.ResponseWriter, r *http.Request) {
	parts, err := readParts(r)
	if err != nil {
		p := problem.Refuse("Reading batch: %v", err)
		answer(w, p.Status, p.Body(), true)
		return
	}
	replies := make([]*reply, len(parts))
	var cut atomic.Bool
	var wg sync.WaitGroup
	for i, p := range parts {
		replies[i] = &reply{header: http.Header{}, status: http.StatusOK}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() {
				if recover() != nil { // only http.ErrAbortHandler gets here
					cut.Store(true) // a part that is cut takes the connection with it
				}
			}()
			defer s.Rescue("part of a batch", func(p *problem.Problem) { answer(replies[i], p.Status, p.Body(), true) })
			if request := s.partOf(replies[i], r, p.request); request != nil {
				s.serve(replies[i], request, api.OneSlash(request.URL.Path))
			}
		}()
	}
	wg.Wait()
	if cut.Load() {
		panic(http.ErrAbortHandler)
	}
	var body bytes.Buffer
	mw := multipart.NewWriter(&body)
	for i, p := range parts {
		h := textproto.MIMEHeader{"Content-Type": {"application/http"}}
		if p.id != "" {
			h.Set("Content-ID", "<response-"+strings.TrimPrefix(p.id, "<"))
		}
		pw, _ := mw.CreatePart(h) // a buffer does not fail
		replies[i].write(pw)
	}
	_ = mw.Close()                                                                  // a buffer does not fail
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerLimit)) // a recorder in tests has none
	w.Header().Set("Content-Type", "multipart/mixed; boundary="+mw.Boundary())
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body.Bytes())
}

// partOf is a part of a batch as its caller makes it. That is the batch's caller, unless
// the part has a token of its own, which then counts alone. It is nil when the token is
// nobody's, which has been answered.
func (s *Front) partOf(w http.ResponseWriter, batch, part *http.Request) *http.Request {
	request := part.WithContext(batch.Context())
	own := part.Header.Get("Authorization")
	if own == "" || own == batch.Header.Get("Authorization") || api.CallerOf(batch) == nil {
		return request
	}
	by := s.Caller(Bearer(part))
	if by == nil {
		Unauthenticated(w, true, Credential)
		return nil
	}
	return by.As(request)
}

type part struct {
	id      string
	request *http.Request
}

func readParts(r *http.Request) ([]part, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" || r.Method != http.MethodPost {
		return nil, fmt.Errorf("not a POST of multipart/mixed")
	}
	mr := multipart.NewReader(r.Body, params["boundary"])
	var parts []part
	for {
		p, err := mr.NextRawPart()
		if err == io.EOF {
			return parts, nil
		}
		if err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(p)
		if err != nil {
			return nil, err
		}
		// Clients leave out the empty line after the headers of a bodyless one.
		req, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(raw), strings.NewReader("\r\n\r\n"))))
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", len(parts)+1, err)
		}
		if len(req.RequestURI) > maxURI {
			return nil, fmt.Errorf("part %d: the request URI has more than %d bytes", len(parts)+1, maxURI)
		}
		parts = append(parts, part{p.Header.Get("Content-ID"), req})
		if len(parts) > maxParts {
			return nil, fmt.Errorf("more than %d parts", maxParts)
		}
	}
}

// A reply collects the answer to one part.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (p *reply) Header() http.Header         { return p.header }
func (p *reply) WriteHeader(status int)      { p.status = status }
func (p *reply) Write(b []byte) (int, error) { return p.body.Write(b) }

func (p *reply) write(w io.Writer) {
	fmt.Fprintf(w, "HTTP/1.1 %d %s\r\n", p.status, http.StatusText(p.status))
	p.header.Set("Content-Length", fmt.Sprint(p.body.Len()))
	_ = p.header.Write(w)
	_, _ = io.WriteString(w, "\r\n")
	_, _ = w.Write(p.body.Bytes())
}
