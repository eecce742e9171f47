package contract

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

// batch looks at the parts of a batch, which are requests and answers as text,
// in the same order.
func (c *Contract) batch(head http.Header, body []byte, answered http.Header, answer []byte) {
	requests, err := parts(head, body)
	if err != nil {
		return // the answer is that it cannot be read
	}
	answers, err := parts(answered, answer)
	if err == nil && len(answers) != len(requests) {
		err = fmt.Errorf("%d answers to %d requests", len(answers), len(requests))
	}
	for i := 0; err == nil && i < len(requests); i++ {
		err = c.part(requests[i], answers[i])
	}
	if err != nil {
		c.Broken(fmt.Errorf("the answer to a batch is none: %w", err))
	}
}

func (c *Contract) part(request, answer []byte) error {
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(request, "\r\n\r\n"...))))
	if err != nil {
		return nil //nolint:nilerr // the server has told the client
	}
	sent, err := io.ReadAll(req.Body)
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), req)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if path, ok := strings.CutPrefix(req.URL.Path, "/compute/v1/"); ok {
		c.exchange(req.Method, path, req.URL.RawQuery, req.Header, sent, resp.StatusCode, resp.Header, got)
	}
	return nil
}

func parts(head http.Header, body []byte) (out [][]byte, err error) {
	_, params, err := mime.ParseMediaType(head.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	for r := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(p)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
}
