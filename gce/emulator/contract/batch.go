package contract

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
)

// batch looks at the parts of a batch, which are requests and answers as text,
// in the same order. One that is refused as a whole has an error as its answer.
func (c *Contract) batch(x exchange) {
	if a := x.answer; a != nil && a.status != http.StatusOK {
		if err := c.response(nil, false, a); err != nil {
			c.Broken(fmt.Errorf("the refusal of a batch does not fit Google's description: %w; it is %d %s", err, a.status, excerpt(a.body)))
		}
		return
	}
	requests, err := parts(x.head, x.body)
	if err != nil || !x.whole {
		return // the answer is that it cannot be read
	}
	answers := make([][]byte, len(requests))
	if x.answer != nil {
		answers, err = parts(x.answer.head, x.answer.body)
		if err == nil && len(answers) != len(requests) {
			err = fmt.Errorf("%d answers to %d requests", len(answers), len(requests))
		}
	}
	for i := 0; err == nil && i < len(requests); i++ {
		err = c.part(requests[i], answers[i])
	}
	if err != nil {
		c.Broken(fmt.Errorf("the answer to a batch is none: %w", err))
	}
}

// part looks at one of each; without an answer at the request only.
func (c *Contract) part(request, answered []byte) error {
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(request, "\r\n\r\n"...))))
	if err != nil {
		return nil //nolint:nilerr // the server has told the client
	}
	path, ok := below(req.URL.Path)
	if !ok {
		return nil
	}
	x := exchange{verb: req.Method, path: path, query: req.URL.RawQuery, head: req.Header, whole: true}
	if x.body, err = io.ReadAll(req.Body); err != nil {
		return nil //nolint:nilerr // as above
	}
	if answered != nil {
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answered)), req)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		x.answer = &answer{resp.StatusCode, resp.Header, got}
	}
	c.check(x)
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
