package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"mobilellm/export/exporttest"
	"mobilellm/tokenizer/chat"
)

var (
	pageModel   = flag.String("page-model", "", "model of TestPage in place of one of drawn weights")
	screenshots = flag.String("screenshots", "", "folder for TestPage's screenshots")
)

// browser is a tab of a headless browser, whose complaints and requests are kept. The
// test is skipped where there is no browser.
func browser(t *testing.T) (ctx context.Context, complaints, requests func() []string) {
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
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	var mu sync.Mutex
	var bad, asked []string
	chromedp.ListenTarget(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			bad = append(bad, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			bad = append(bad, fmt.Sprintf("console.%s", e.Type))
		case *network.EventRequestWillBeSent:
			asked = append(asked, e.Request.URL)
		}
	})
	copied := func(list *[]string) func() []string {
		return func() []string { mu.Lock(); defer mu.Unlock(); return append([]string(nil), *list...) }
	}
	return ctx, copied(&bad), copied(&asked)
}

// page drives the page in a browser.
type page struct {
	*testing.T
	ctx context.Context
}

func (p page) do(actions ...chromedp.Action) {
	p.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// js is the value of an expression, as JSON.
func js[V any](p page, expression string) (v V) {
	p.Helper()
	p.do(chromedp.Evaluate(expression, &v))
	return v
}

// until waits for an expression to be true.
func (p page) until(expression string) {
	p.Helper()
	for end := time.Now().Add(time.Minute); !js[bool](p, expression); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("%s is never true; the page says %q", expression, js[string](p, `document.body.innerText`))
		}
	}
}

func (p page) set(id, value string) {
	p.Helper()
	js[bool](p, fmt.Sprintf(`document.getElementById(%q).value = %q; true`, id, value))
}

// press is a key by itself. chromedp's own would enter Enter's line feed even where the
// page keeps it out.
func (p page) press(key string, code int64) {
	p.Helper()
	p.do(input.DispatchKeyEvent(input.KeyRawDown).WithKey(key).WithCode(key).WithWindowsVirtualKeyCode(code),
		input.DispatchKeyEvent(input.KeyUp).WithKey(key).WithCode(key).WithWindowsVirtualKeyCode(code))
}

// shot looks at the page in light and dark on a desk and a telephone, after something is
// done on it: nothing is wider than the screen.
func (p page) shot(name string, first func(width int64)) {
	p.Helper()
	for _, screen := range []struct {
		name          string
		width, height int64
	}{{"desk", 1000, 760}, {"phone", 360, 740}} {
		var light [2]float64
		for i, scheme := range []string{"light", "dark"} {
			var raw []byte
			p.do(
				emulation.SetDeviceMetricsOverride(screen.width, screen.height, 1, screen.name == "phone"),
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
			)
			if first != nil {
				first(screen.width)
			}
			p.do(chromedp.CaptureScreenshot(&raw))
			if *screenshots != "" {
				if err := os.WriteFile(filepath.Join(*screenshots, fmt.Sprintf("%s-%s-%s.png", name, screen.name, scheme)), raw, 0o644); err != nil {
					p.Fatal(err)
				}
			}
			if wide := js[int64](p, `document.documentElement.scrollWidth`); wide > screen.width {
				p.Errorf("%s on a %s is %d pixels wide, the screen %d", name, screen.name, wide, screen.width)
			}
			light[i] = js[float64](p, `getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0) / 765`)
		}
		if light[0] < 0.8 || light[1] > 0.3 {
			p.Errorf("the background's lightness is %.2f in the light scheme, %.2f in the dark one", light[0], light[1])
		}
	}
	p.do(emulation.SetDeviceMetricsOverride(1000, 760, 1, false))
}

// A person types a prompt, sees the answer grow, stops it, and looks at the
// probabilities of a text's tokens.
func TestPage(t *testing.T) {
	ctx, complaints, requests := browser(t)
	dir := *pageModel
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "small")
		if err := exporttest.Bytes(dir, 1<<16); err != nil {
			t.Fatal(err)
		}
		source, err := chat.Source("chatml")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "chat_template.jinja"), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	url, _, _ := serving(t, "--model", dir)
	p := page{t, ctx}
	p.do(chromedp.Navigate(url), chromedp.WaitReady("#input"))
	p.until(`document.title !== "MobileLLM"`)

	// An answer grows, and Escape stops it.
	p.set("temperature", "0")
	p.set("max_tokens", "60000")
	if *pageModel == "" {
		p.until(`document.getElementById("tab-chat").ariaSelected === "true"`)
		p.do(network.EmulateNetworkConditions(false, 0, 60<<10, -1)) // bytes/s: so small a model writes faster than anyone reads
	}
	p.do(chromedp.SendKeys("#input", "Tell me a long story about a small model."))
	p.press("Enter", 13)
	const answer = `document.querySelector(".assistant .text").textContent.length`
	p.until(`document.querySelector(".assistant .text") !== null && ` + answer + ` > 10`)
	p.until(fmt.Sprintf(answer+` > %d`, js[int](p, answer)))
	p.press("Escape", 27)
	p.until(`document.getElementById("stop").disabled && !document.getElementById("send").disabled`)
	if s := js[string](p, `document.getElementById("status").textContent`); !strings.Contains(s, "tokens/s") || !strings.HasSuffix(s, "stopped") {
		t.Errorf("the page says %q", s)
	}
	if left := js[string](p, `document.getElementById("input").value`); left != "" {
		t.Errorf("what was sent is still there: %q", left)
	}
	before := js[int](p, answer)
	time.Sleep(200 * time.Millisecond)
	if after := js[int](p, answer); after != before {
		t.Errorf("the answer has %d characters, and after it was stopped %d", before, after)
	}
	free(t, url)
	p.shot("chat", nil)

	// A continuation whose tokens are shaded, with their alternatives on hover.
	p.do(chromedp.Click("#tab-text"))
	p.set("max_tokens", "40")
	p.do(chromedp.Click("#shade"), chromedp.SendKeys("#input", "Once upon a time"), chromedp.Click("#send"))
	p.until(`document.querySelectorAll(".token").length > 5 && document.getElementById("stop").disabled`)
	shades := js[[]string](p, `[...document.querySelectorAll(".token")].map(s => s.style.background)`)
	for i, shade := range shades {
		if !strings.HasPrefix(shade, "rgb") {
			t.Errorf("token %d of %d has the background %q", i, len(shades), shade)
		}
	}
	p.shot("completion", p.hover)

	// A mistake is told.
	p.set("max_tokens", "-1")
	p.do(chromedp.Click("#send"))
	p.until(`document.querySelector("#status.bad") !== null && document.getElementById("status").textContent.includes("max_tokens (-1)")`)

	if bad := complaints(); len(bad) > 0 {
		t.Errorf("the browser complains: %q", bad)
	}
	for _, asked := range requests() {
		if !strings.HasPrefix(asked, url) {
			t.Errorf("the page asks for %s", asked)
		}
	}
}

// hover points at a token, whose alternatives are shown within the screen.
func (p page) hover(width int64) {
	p.Helper()
	p.do(chromedp.MouseEvent(input.MouseMoved, 1, 1))
	middle := js[[2]float64](p, `(() => {
		const boxes = [...document.querySelectorAll(".token")].map(s => s.getBoundingClientRect());
		const r = boxes.find(r => r.width > 2);
		return [r.x + r.width / 2, r.y + r.height / 2];
	})()`)
	p.do(chromedp.MouseEvent(input.MouseMoved, middle[0], middle[1]))
	p.until(`document.getElementById("tip").style.display === "block"`)
	// Of five alternatives those with the same text are one.
	if tip := strings.Split(js[string](p, `document.getElementById("tip").textContent`), "\n"); len(tip) < 3 || len(tip) > 6 || !strings.Contains(tip[0], " %") || !strings.Contains(tip[2], " % \"") {
		p.Errorf("the tip says %q, want a token's probability and its alternatives", tip)
	}
	if right := js[float64](p, `document.getElementById("tip").getBoundingClientRect().right`); right > float64(width) {
		p.Errorf("the tip ends at %.0f pixels of %d", right, width)
	}
}

// free waits for all slots to be.
func free(t *testing.T, url string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		r, err := http.Get(url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "\nmobilellm_slots_active 0\n") {
			return
		} else if time.Now().After(end) {
			t.Fatalf("a slot stays taken:\n%s", raw)
		}
	}
}
