package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Page is a tab of a headless browser. Its methods end the test where they fail.
type Page struct {
	*testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
	requests   []string
}

// Open starts a browser. The test is skipped where there is none.
func Open(t *testing.T) *Page {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("there is no chromium, chromium-browser or google-chrome")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1000, 760))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which refuses root
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	p := &Page{T: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			p.complaints = append(p.complaints, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			p.complaints = append(p.complaints, fmt.Sprintf("console.%s", e.Type))
		case *network.EventRequestWillBeSent:
			p.requests = append(p.requests, e.Request.URL)
		}
	})
	return p
}

// Complaints are exceptions and what was written to the console.
func (p *Page) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.complaints...)
}

// Requests are the addresses that were asked for.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.requests...)
}

// Do runs actions.
func (p *Page) Do(actions ...chromedp.Action) {
	p.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// JS is the value of an expression, as JSON.
func JS[V any](p *Page, expression string) (v V) {
	p.Helper()
	p.Do(chromedp.Evaluate(expression, &v))
	return v
}

// Until waits for an expression to be true.
func (p *Page) Until(expression string) {
	p.Helper()
	for end := time.Now().Add(time.Minute); !JS[bool](p, expression); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("%s is never true; the page says %q", expression, JS[string](p, `document.body.innerText`))
		}
	}
}

// Screen is a size of the page in CSS pixels.
type Screen struct {
	Name          string
	Width, Height int64
	Phone         bool
}

// Shots looks at the page in light and dark on screens, after something is done on it, which
// may be nil: nothing is wider than the screen. Pictures go to dir where it is not empty.
func (p *Page) Shots(dir, name string, screens []Screen, first func(Screen)) {
	p.Helper()
	for _, screen := range screens {
		var light [2]float64
		for i, scheme := range []string{"light", "dark"} {
			p.Do(
				emulation.SetDeviceMetricsOverride(screen.Width, screen.Height, 1, screen.Phone),
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
			)
			if first != nil {
				first(screen)
			}
			if dir != "" {
				var raw []byte
				p.Do(chromedp.CaptureScreenshot(&raw))
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%s.png", name, screen.Name, scheme)), raw, 0o644); err != nil {
					p.Fatal(err)
				}
			}
			if wide := JS[int64](p, `document.documentElement.scrollWidth`); wide > screen.Width {
				p.Errorf("%s on a %s is %d pixels wide, the screen %d", name, screen.Name, wide, screen.Width)
			}
			light[i] = JS[float64](p, `getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0) / 765`)
		}
		if light[0] < 0.8 || light[1] > 0.3 {
			p.Errorf("the background's lightness is %.2f in the light scheme, %.2f in the dark one", light[0], light[1])
		}
	}
}
