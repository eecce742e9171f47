package console

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A browser is headless Chromium in a window of a size.
type browser struct {
	t    *testing.T
	ctx  context.Context
	path string
	size string
}

func chromium(t *testing.T, size string) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("quick tests start no browser")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return &browser{t, ctx, path, size}
}

// open looks at an address for five seconds of the page's own clock.
func (b *browser) open(url string, what ...string) []byte {
	b.t.Helper()
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--user-data-dir=" + b.t.TempDir(), "--window-size=" + b.size, "--virtual-time-budget=5000"}, what...)
	var stderr bytes.Buffer
	c := exec.CommandContext(b.ctx, b.path, append(args, url)...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		b.t.Fatalf("%v\n%s", err, stderr.String())
	}
	return out
}

// TestBrowser opens the page in Chromium, on a desk's and a phone's width. What
// is made after the page was loaded comes without a click.
func TestBrowser(t *testing.T) {
	for name, size := range map[string]string{"desk": "1400,1000", "phone": "390,844"} {
		t.Run(name, func(t *testing.T) {
			b := chromium(t, size)
			api, page := world(t)
			late := make(chan struct{})
			looks := 0
			inner := page.Config.Handler
			page.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/data") {
					if looks++; looks == 2 {
						insert(t, api, "made-while-it-is-open")
						close(late)
					}
				}
				inner.ServeHTTP(w, r)
			})
			dom := string(b.open(page.URL+Path, "--dump-dom"))
			select {
			case <-late:
			default:
				t.Fatal("the page looked only once")
			}
			for _, want := range []string{">first<", ">made-while-it-is-open<", "europe-west1-d", ">tcp:443<", ">10.40.0.2<", "as of "} {
				if !strings.Contains(dom, want) {
					t.Errorf("no %q on the page", want)
				}
			}
			picture := filepath.Join(t.TempDir(), "page.png")
			b.open(page.URL+Path, "--screenshot="+picture)
			raw, err := os.ReadFile(picture)
			if err != nil {
				t.Fatal(err)
			}
			img, err := png.Decode(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			colours := map[[3]uint32]bool{}
			for x := range img.Bounds().Dx() {
				for y := range img.Bounds().Dy() {
					r, g, b, _ := img.At(x, y).RGBA()
					colours[[3]uint32{r, g, b}] = true
				}
			}
			if len(colours) < 20 { // an empty page has one or two
				t.Errorf("the picture has %d colours", len(colours))
			}
		})
	}
}

// measure runs in the page beside its own script: it looks where the browser put
// each letter, and lists words that stand on two lines, what is wider than
// the window, and headings that cells of a narrow page lack.
const measure = `setTimeout(() => {
  const found = [];
  document.querySelectorAll("#state.lost").forEach((x) => found.push(x.textContent));
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let words = 0;
  for (let n; (n = walk.nextNode());) {
    for (const m of n.data.matchAll(/[^\s-]+/g)) { // between words and after a hyphen a line may end
      const r = document.createRange();
      r.setStart(n, m.index); r.setEnd(n, m.index + m[0].length);
      const tops = new Set([...r.getClientRects()].map((x) => Math.round(x.top)));
      if (tops.size) words++;
      if (tops.size > 1) found.push("broken: " + m[0]);
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push("wider than the window: " + document.documentElement.scrollWidth);
  const narrow = innerWidth <= 700;
  for (const td of document.querySelectorAll("td")) {
    const apart = getComputedStyle(td).display !== "table-cell";
    if (apart !== narrow && td.textContent) found.push((narrow ? "not stacked: " : "stacked: ") + td.textContent);
    if (!td.dataset.heading) found.push("no heading: " + td.textContent);
  }
  const masters = [...document.querySelectorAll(".machine.master b")].map((b) => b.textContent);
  const note = document.createElement("pre");
  note.textContent = "MEASURED " + JSON.stringify({ width: innerWidth, words, masters, cards: document.querySelectorAll(".machine").length, found });
  top.document.body.append(note);
}, 3500);`

// measured is a page that measures itself, in a frame of a width: windows of
// headless Chromium have at least 500 pixels.
func measured(inner http.Handler, width, height int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/framed":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<body style="margin: 0"><iframe src=%q width="%d" height="%d" style="border: 0; display: block"></iframe>`, Path, width, height)
		case Path + "measure.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, measure)
		case Path:
			index, err := files.ReadFile("page/index.html")
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write(bytes.Replace(index, []byte("</head>"), []byte(`<script src="measure.js" defer></script></head>`), 1))
		default:
			inner.ServeHTTP(w, r)
		}
	})
}
