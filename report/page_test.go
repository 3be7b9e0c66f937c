package report

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"mobilellm/internal/browsertest"
	"mobilellm/train"
)

var (
	screenshots = flag.String("screenshots", "", "folder for TestPage's screenshots")
	runsOf      = flag.String("runs", "", "folders of runs for TestPage besides its own, with commas between")
)

func pageOf(t *testing.T, dirs ...string) []byte {
	t.Helper()
	list, err := Open(dirs...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Runs(list).Page()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.HTML(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// badTexts are texts of pictures that leave the picture, or lie over another.
const badTexts = `[...document.querySelectorAll("svg")].flatMap(svg => {
	const edge = svg.getBoundingClientRect();
	const texts = [...svg.querySelectorAll("text")].map(t => [t.textContent, t.getBoundingClientRect()]);
	return texts.flatMap(([name, r], i) => [
		...(r.left < edge.left - 1 || r.right > edge.right + 1 || r.top < edge.top - 1 || r.bottom > edge.bottom + 1 ? [name + " leaves its picture"] : []),
		...texts.slice(0, i).filter(([, o]) => r.left < o.right - 1 && o.left < r.right - 1 && r.top < o.bottom - 3 && o.top < r.bottom - 3).map(([other]) => name + " lies over " + other),
	]);
})`

// A person looks at the page on a desk and a telephone, chooses an axis, points, zooms in
// and back, and hides a run.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	one := runFolder(t, filepath.Join(dir, "one"), 3, nil)
	two := runFolder(t, filepath.Join(dir, "a run with a long name, of other layers"), 3.4, func(c *train.RunConfig) { c.Model.Layers = 12 })
	pages := map[string][]byte{"one": pageOf(t, one), "two": pageOf(t, one, two)}
	if *runsOf != "" {
		pages["given"] = pageOf(t, strings.Split(*runsOf, ",")...)
	}
	p := browsertest.Open(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(pages[strings.Trim(r.URL.Path, "/")]) }))
	defer server.Close()
	for name := range pages {
		p.Do(chromedp.Navigate(server.URL+"/"+name), chromedp.WaitReady("h1"))
		height := browsertest.JS[int64](p, `document.documentElement.scrollHeight`)
		p.Shots(*screenshots, name, []browsertest.Screen{{Name: "desk", Width: 1300, Height: height + 300}, {Name: "phone", Width: 390, Height: 3 * height, Phone: true}}, func(on browsertest.Screen) {
			p.Until(`[...document.querySelectorAll("figure.live")].every(f => f.clientWidth === f.querySelector("svg").viewBox.baseVal.width)`)
			if bad := browsertest.JS[[]string](p, badTexts); len(bad) > 0 {
				t.Errorf("%s on a %s: %q", name, on.Name, bad)
			}
		})
		p.Do(emulation.ClearDeviceMetricsOverride())
	}
	p.Do(chromedp.Navigate(server.URL+"/two"), chromedp.WaitReady("h1"))
	if names := browsertest.JS[string](p, `[...document.querySelectorAll("#axis option")].map(o => o.textContent).join()`); names != "steps,tokens,time" {
		t.Errorf("the axes are %s", names)
	}
	tick := `document.querySelector("figure.live svg").textContent`
	for axis, want := range map[string]string{"0": "400", "1": "2M", "2": "3 min"} {
		browsertest.JS[bool](p, `document.getElementById("axis").value = `+axis+`, document.getElementById("axis").onchange(), true`)
		if text := browsertest.JS[string](p, tick); !strings.Contains(text, want) {
			t.Errorf("axis %s has no %q: %s", axis, want, text)
		}
	}
	browsertest.JS[bool](p, `document.getElementById("axis").value = 0, document.getElementById("axis").onchange(), true`)
	browsertest.JS[bool](p, `document.querySelector("figure.live").scrollIntoView({block: "center"}), true`)
	box := browsertest.JS[[4]float64](p, `(r => [r.left, r.top, r.width, r.height])(document.querySelector("figure.live svg").getBoundingClientRect())`)
	mouse := func(kind input.MouseType, x float64) {
		t.Helper()
		e := input.DispatchMouseEvent(kind, box[0]+x*box[2], box[1]+box[3]/2)
		if kind != input.MouseMoved {
			e = e.WithButton(input.Left).WithButtons(1).WithClickCount(1)
		}
		p.Do(e)
	}
	mouse(input.MouseMoved, 0.4)
	if tip := browsertest.JS[string](p, `document.querySelector(".tip")?.textContent ?? ""`); !strings.Contains(tip, "one, held out: ") || !strings.Contains(tip, "tokens") {
		t.Errorf("under the pointer: %q", tip)
	}
	mouse(input.MousePressed, 0.3)
	mouse(input.MouseMoved, 0.5)
	mouse(input.MouseReleased, 0.5)
	p.Until(`!document.getElementById("reset").disabled`)
	if n := browsertest.JS[int](p, `charts.filter(c => c.to - c.from < 200 && c.from > 20).length - charts.length`); n != 0 {
		t.Errorf("%d pictures are not zoomed", -n)
	}
	browsertest.JS[bool](p, `document.getElementById("reset").click(), true`)
	p.Until(`charts.every(c => c.from === 0 && c.to === 400)`)
	browsertest.JS[bool](p, `document.querySelector("#legend button").click(), true`)
	if runs := browsertest.JS[string](p, `[...new Set(charts.flatMap(c => c.lines.map(l => l.run)))].join()`); runs != "a run with a long name, of other layers" {
		t.Errorf("with one run hidden there are %s", runs)
	}
	if bad := p.Complaints(); len(bad) > 0 {
		t.Errorf("the browser complains: %q", bad)
	}
	for _, r := range p.Requests() {
		if !strings.HasPrefix(r, server.URL) && !strings.HasPrefix(r, "data:") {
			t.Errorf("the page asked for %s", r)
		}
	}
}

// A page that is served shows what a run has become, and keeps the reader's axis.
func TestWatch(t *testing.T) {
	dir := runFolder(t, filepath.Join(t.TempDir(), "run"), 3, nil)
	server := httptest.NewServer(Handler([]string{dir}))
	defer server.Close()
	request, err := http.NewRequest(http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "elsewhere.example"
	if answer, err := http.DefaultClient.Do(request); err != nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("another host: %v, %v", answer.Status, err)
	}
	p := browsertest.Open(t)
	p.Do(chromedp.Navigate(server.URL), chromedp.WaitReady("h1"))
	browsertest.JS[bool](p, `document.getElementById("axis").value = 0, document.getElementById("axis").onchange(), true`)
	f, err := os.OpenFile(filepath.Join(dir, train.MetricsFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p.Until(`performance.getEntriesByType("resource").length > 0`) // it knows which page it has
	if _, err := f.WriteString("{\"step\":500,\"tokens\":2500000,\"loss\":2.5,\"tokens_per_second\":10000}\n"); err != nil {
		t.Fatal(err)
	}
	p.Until(`charts[0].to === 500 && view.axis === 0 && document.getElementById("axis").value === "0"`)
}
