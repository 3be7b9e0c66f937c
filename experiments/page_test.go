package experiments

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"mobilellm/internal/browsertest"
	"mobilellm/internal/jsonfloat"
	"mobilellm/train"
)

var (
	screenshots = flag.String("screenshots", "", "folder for TestReportPage's screenshots")
	reportOf    = flag.String("report", "", "folder of a sweep for TestReportPage besides its own")
)

// manySweep is as wide as a report becomes: long names, groups, tasks, the paper's numbers.
func manySweep(t *testing.T) *Report {
	var text strings.Builder
	text.WriteString("base: tiny.yaml\ntitle: Many models\nsource: Table 0\nseeds: [1, 2, 3]\nmembers:\n")
	for i, name := range []string{"base", "a name that is longer than a picture has room for", "WWWWWWWWWWWWWWWWWWWWWWWW", "grouped-query attention, 4 key-value heads", "深くて細いモデル", "24_layers_of_576_without_a_space_anywhere", "six", "seven", "eight", "nine"} {
		fmt.Fprintf(&text, "  - name: %s\n    set: {model: {layers: %d, layer_sharing: {strategy: immediate, repeat: 2}}}\n    paper: {parameters: 125.5, average: %g, hours: 29}\n", name, i+1, 44+float64(i)/20)
	}
	s, dir := sweep(t, text.String())
	for i, m := range s.Members {
		var tasks []train.TaskScore
		for _, task := range []string{"arc_easy", "arc_challenge", "boolq", "piqa", "social_iqa", "hellaswag", "openbookqa", "winogrande", "zero-shot"} {
			tasks = append(tasks, train.TaskScore{Task: task, Measure: "acc", Value: jsonfloat.Float(0.25 + 0.013*float64(i%3)), N: 100})
		}
		loss := 4 + 0.04*float64(i/3) + 0.01*float64(i%3)
		finish(t, dir, m, loss, "t", tasks...)
		metrics(t, dir, m, loss)
	}
	if err := recordFailure(dir, s.Members[5].ID, fmt.Errorf("no space left on device")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, s.Members[5].ID, train.SummaryFile)); err != nil {
		t.Fatal(err)
	}
	return reportIn(t, s, dir)
}

// metrics writes a curve that ends at a loss.
func metrics(t *testing.T, dir string, m Member, loss float64) {
	t.Helper()
	var lines bytes.Buffer
	for step := 1; step <= 400; step++ {
		at := loss + 6*math.Exp(-float64(step)/60) + 0.3*(1-float64(step)/400)
		fmt.Fprintf(&lines, "{\"step\":%d,\"tokens\":%d,\"loss\":%g}\n", step, 5000*step, at+0.05*math.Sin(float64(step*step)))
		if step%50 == 0 {
			fmt.Fprintf(&lines, "{\"step\":%d,\"heldout_loss\":%g}\n", step, at)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, m.ID, train.MetricsFile), lines.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func ownSweep(t *testing.T) *Report {
	s, dir := sweep(t, ownModels)
	for i, m := range s.Members {
		loss := []float64{4, 4.11, 4.19, 4.5, 4.62, 4.71, 4.01, 4.1, 4.2, 4.3, 4.31, 4.33}[i]
		finish(t, dir, m, loss, "t")
		metrics(t, dir, m, loss)
	}
	return reportIn(t, s, dir)
}

func reportIn(t *testing.T, s *Sweep, dir string) *Report {
	t.Helper()
	r, err := NewReport(s, dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
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

// On a desk no table scrolls, and on any screen no text of a picture leaves it or lies over
// another.
func TestReportPage(t *testing.T) {
	p := browsertest.Open(t)
	pages := map[string]*Report{"own": ownSweep(t), "many": manySweep(t)}
	if *reportOf != "" {
		s, err := Open(*reportOf)
		if err != nil {
			t.Fatal(err)
		}
		pages["given"] = reportIn(t, s, *reportOf)
	}
	for name, r := range pages {
		var page bytes.Buffer
		if err := r.HTML(&page, r.Plots()); err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page.Bytes()) }))
		p.Do(chromedp.Navigate(server.URL), chromedp.WaitReady("h1"))
		height := browsertest.JS[int64](p, `document.documentElement.scrollHeight`)
		p.Shots(*screenshots, name, []browsertest.Screen{{Name: "desk", Width: 1300, Height: height}, {Name: "phone", Width: 390, Height: 2 * height, Phone: true}}, func(on browsertest.Screen) {
			if bad := browsertest.JS[[]string](p, badTexts); len(bad) > 0 {
				t.Errorf("%s on a %s: %q", name, on.Name, bad)
			}
			if wide := browsertest.JS[[]int64](p, `[...document.querySelectorAll(".wide, figure")].map(e => e.scrollWidth - e.clientWidth).filter(n => n > 0)`); !on.Phone && len(wide) > 0 {
				t.Errorf("%s on a %s: tables or pictures scroll, by %d pixels", name, on.Name, wide)
			}
		})
		p.Do(emulation.ClearDeviceMetricsOverride())
		server.Close()
	}
	if bad := p.Complaints(); len(bad) > 0 {
		t.Errorf("the browser complains: %q", bad)
	}
}
