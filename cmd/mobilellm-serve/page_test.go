package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"mobilellm/export/exporttest"
	"mobilellm/internal/browsertest"
	"mobilellm/tokenizer/chat"
)

var (
	pageModel   = flag.String("page-model", "", "model of TestPage in place of one of drawn weights")
	screenshots = flag.String("screenshots", "", "folder for TestPage's screenshots")
)

// page drives the page in a browser.
type page struct{ *browsertest.Page }

func (p page) set(id, value string) {
	p.Helper()
	browsertest.JS[bool](p.Page, fmt.Sprintf(`document.getElementById(%q).value = %q; true`, id, value))
}

// press is a key by itself. chromedp's own would enter Enter's line feed even where the
// page keeps it out.
func (p page) press(key string, code int64) {
	p.Helper()
	p.Do(input.DispatchKeyEvent(input.KeyRawDown).WithKey(key).WithCode(key).WithWindowsVirtualKeyCode(code),
		input.DispatchKeyEvent(input.KeyUp).WithKey(key).WithCode(key).WithWindowsVirtualKeyCode(code))
}

var screens = []browsertest.Screen{{Name: "desk", Width: 1000, Height: 760}, {Name: "phone", Width: 360, Height: 740, Phone: true}}

// shot looks at the page on a desk and a telephone, after something is done on it.
func (p page) shot(name string, first func(browsertest.Screen)) {
	p.Helper()
	p.Shots(*screenshots, name, screens, first)
	p.Do(emulation.SetDeviceMetricsOverride(1000, 760, 1, false))
}

// A person types a prompt, sees the answer grow, stops it, and looks at the
// probabilities of a text's tokens.
func TestPage(t *testing.T) {
	p := page{browsertest.Open(t)}
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
	p.Do(chromedp.Navigate(url), chromedp.WaitReady("#input"))
	p.Until(`document.title !== "MobileLLM"`)

	// An answer grows, and Escape stops it.
	p.set("temperature", "0")
	p.set("max_tokens", "60000")
	if *pageModel == "" {
		p.Until(`document.getElementById("tab-chat").ariaSelected === "true"`)
		p.Do(network.EmulateNetworkConditions(false, 0, 60<<10, -1)) // bytes/s: so small a model writes faster than anyone reads
	}
	p.Do(chromedp.SendKeys("#input", "Tell me a long story about a small model."))
	p.press("Enter", 13)
	const answer = `document.querySelector(".assistant .text").textContent.length`
	p.Until(`document.querySelector(".assistant .text") !== null && ` + answer + ` > 10`)
	p.Until(fmt.Sprintf(answer+` > %d`, browsertest.JS[int](p.Page, answer)))
	p.press("Escape", 27)
	p.Until(`document.getElementById("stop").disabled && !document.getElementById("send").disabled`)
	if s := browsertest.JS[string](p.Page, `document.getElementById("status").textContent`); !strings.Contains(s, "tokens/s") || !strings.HasSuffix(s, "stopped") {
		t.Errorf("the page says %q", s)
	}
	if left := browsertest.JS[string](p.Page, `document.getElementById("input").value`); left != "" {
		t.Errorf("what was sent is still there: %q", left)
	}
	before := browsertest.JS[int](p.Page, answer)
	time.Sleep(200 * time.Millisecond)
	if after := browsertest.JS[int](p.Page, answer); after != before {
		t.Errorf("the answer has %d characters, and after it was stopped %d", before, after)
	}
	free(t, url)
	p.shot("chat", nil)

	// A continuation whose tokens are shaded, with their alternatives on hover.
	p.Do(chromedp.Click("#tab-text"))
	p.set("max_tokens", "40")
	p.Do(chromedp.Click("#shade"), chromedp.SendKeys("#input", "Once upon a time"), chromedp.Click("#send"))
	p.Until(`document.querySelectorAll(".token").length > 5 && document.getElementById("stop").disabled`)
	shades := browsertest.JS[[]string](p.Page, `[...document.querySelectorAll(".token")].map(s => s.style.background)`)
	for i, shade := range shades {
		if !strings.HasPrefix(shade, "rgb") {
			t.Errorf("token %d of %d has the background %q", i, len(shades), shade)
		}
	}
	p.shot("completion", p.hover)

	// A mistake is told.
	p.set("max_tokens", "-1")
	p.Do(chromedp.Click("#send"))
	p.Until(`document.querySelector("#status.bad") !== null && document.getElementById("status").textContent.includes("max_tokens (-1)")`)

	if bad := p.Complaints(); len(bad) > 0 {
		t.Errorf("the browser complains: %q", bad)
	}
	for _, asked := range p.Requests() {
		if !strings.HasPrefix(asked, url) {
			t.Errorf("the page asks for %s", asked)
		}
	}
}

// hover points at a token, whose alternatives are shown within the screen.
func (p page) hover(on browsertest.Screen) {
	p.Helper()
	p.Do(chromedp.MouseEvent(input.MouseMoved, 1, 1))
	middle := browsertest.JS[[2]float64](p.Page, `(() => {
		const boxes = [...document.querySelectorAll(".token")].map(s => s.getBoundingClientRect());
		const r = boxes.find(r => r.width > 2);
		return [r.x + r.width / 2, r.y + r.height / 2];
	})()`)
	p.Do(chromedp.MouseEvent(input.MouseMoved, middle[0], middle[1]))
	p.Until(`document.getElementById("tip").style.display === "block"`)
	// Of five alternatives those with the same text are one.
	if tip := strings.Split(browsertest.JS[string](p.Page, `document.getElementById("tip").textContent`), "\n"); len(tip) < 3 || len(tip) > 6 || !strings.Contains(tip[0], " %") || !strings.Contains(tip[2], " % \"") {
		p.Errorf("the tip says %q, want a token's probability and its alternatives", tip)
	}
	if right := browsertest.JS[float64](p.Page, `document.getElementById("tip").getBoundingClientRect().right`); right > float64(on.Width) {
		p.Errorf("the tip ends at %.0f pixels of %d", right, on.Width)
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
