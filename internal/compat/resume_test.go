package compat

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"mobilellm/checkpoint"
	"mobilellm/device"
	"mobilellm/engine/cpu"
	"mobilellm/train"
)

// tolerance is how far numbers may be apart, relative to their size, where another
// processor or build computes.
const tolerance = 1e-4

// ending is what a run came to on one device, from step 5 on.
type ending struct {
	Device  string `json:"device"`
	Weights string `json:"weights"` // tensorSum
	Moments string `json:"moments"`
	records []record
}

// endings are those of a run that the earlier version recorded: that of the run
// itself, then others which went on from its halfway checkpoint.
func endings(t *testing.T, name string) []ending {
	t.Helper()
	own := endingOf(t, runFolder(name))
	list := []ending{own}
	for _, path := range []string{name + "-avx512.jsonl", name + "-plain.jsonl"} {
		raw := file(t, "expected", path)
		at := slices.Index(raw, '\n')
		var e ending
		if err := json.Unmarshal(raw[:at], &e); err != nil {
			t.Fatal(err)
		}
		e.records = records(t, raw[at+1:])
		list = append(list, e)
	}
	return list
}

// endingOf reads the ending of a run that was just made, or of the fixture's own.
func endingOf(t *testing.T, out string) ending {
	t.Helper()
	path := filepath.Join(out, train.CheckpointsDir, ended)
	return ending{
		Device:  stateOf(t, path).Chosen.Device,
		Weights: tensorSum(t, filepath.Join(path, checkpoint.WeightsFile)),
		Moments: tensorSum(t, filepath.Join(path, checkpoint.OptimizerFile)),
		records: slices.DeleteFunc(records(t, file(t, out, train.MetricsFile)), func(r record) bool { return r["step"] < 5 }),
	}
}

// recorded finds the ending to which one on this device must be equal to the bit,
// nil where none was recorded.
func recorded(t *testing.T, list []ending, device string) *ending {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		return nil // others fuse multiplication and addition
	}
	for i := range list {
		if list[i].Device != device {
			continue
		}
		if i == 0 && processor() != string(file(t, "expected", "processor")) {
			return nil // oneDNN sums otherwise on others
		}
		return &list[i]
	}
	return nil
}

// Each run goes on from its halfway checkpoint and comes to what it came to.
func TestResume(t *testing.T) {
	for _, name := range copied(t) {
		list := endings(t, name)
		t.Run(name, func(t *testing.T) { resume(t, name, list, nil) })
		t.Run(name+" on plain Go", func(t *testing.T) {
			dev := cpu.New(cpu.Options{Workers: 1, Plain: true})
			defer dev.Close()
			resume(t, name, list, dev)
		})
	}
}

// resume goes on with a run on a device, nil for the one that it asks for.
func resume(t *testing.T, name string, list []ending, dev device.Device) {
	out, before := filepath.Join(t.TempDir(), "run"), saved(name, ended)
	_, err := train.Run(context.Background(), configOf(t, name), train.Options{
		Resume: saved(name, halfway), Out: out, PeakFLOPS: 1e11, Device: dev,
	})
	if err != nil {
		t.Fatal(err)
	}
	comparePositions(t, stateOf(t, filepath.Join(out, train.CheckpointsDir, ended)), stateOf(t, before))
	got := endingOf(t, out)
	if want := recorded(t, list, got.Device); want != nil {
		if !slices.EqualFunc(got.records, want.records, maps.Equal) {
			t.Errorf("records are\n%s\nwant\n%s", lines(got.records), lines(want.records))
		}
		if got.Weights != want.Weights || got.Moments != want.Moments {
			t.Errorf("on %s the weights have checksum %s, the moments %s\nwant %s and %s", got.Device, got.Weights, got.Moments, want.Weights, want.Moments)
		}
		return
	}
	if dev != nil && runtime.GOARCH == "amd64" {
		t.Errorf("nothing was recorded for device %q, which is the same on every processor", got.Device)
	}
	compareRecords(t, got.records, list[0].records)
	for _, name := range []string{checkpoint.WeightsFile, checkpoint.OptimizerFile} {
		a, b := tensors(t, filepath.Join(out, train.CheckpointsDir, ended, name)), tensors(t, filepath.Join(before, name))
		if d := distance(t, a, b); !(d <= tolerance) {
			t.Errorf("on %s the values of %s are %.2g of their size away from those of %s", got.Device, name, d, list[0].Device)
		}
	}
}

// comparePositions holds a checkpoint's state to the recorded one in what no
// device changes: data, counters and choices.
func comparePositions(t *testing.T, got, want checkpoint.State) {
	t.Helper()
	type position struct {
		Step, Tokens int64
		Updates      int
		Seed         uint64
		Data         checkpoint.DataPosition
		Schedule     checkpoint.ScheduleInfo
		Chosen       checkpoint.Chosen
	}
	of := func(s checkpoint.State) position {
		s.Chosen.Device = ""
		s.Data.HeldoutFingerprint = "" // which was not recorded
		return position{s.Step, s.Tokens, s.OptimizerSteps, s.Seed, s.Data, s.Schedule, s.Chosen}
	}
	if a, b := of(got), of(want); a != b {
		t.Errorf("the checkpoint stands at\n%+v, want\n%+v", a, b)
	}
}

// compareRecords allows losses and norms to differ a little; steps, tokens and
// learning rates are exact.
func compareRecords(t *testing.T, got, want []record) {
	t.Helper()
	near := func(a, b record) bool {
		for key, x := range b {
			allowed := tolerance * math.Abs(x)
			if slices.Contains([]string{"step", "tokens", "heldout_tokens", "lr"}, key) {
				allowed = 0
			}
			if y, ok := a[key]; !ok || !(math.Abs(x-y) <= allowed) {
				return false
			}
		}
		return len(a) == len(b)
	}
	if !slices.EqualFunc(got, want, near) {
		t.Errorf("records are\n%s\nwant about\n%s", lines(got), lines(want))
	}
}

func lines(list []record) (text string) {
	for _, r := range list {
		text += fmt.Sprintln(r)
	}
	return text
}

// distance is the length of the difference of all values, as a share of theirs.
func distance(t *testing.T, got, want []tensor) float64 {
	t.Helper()
	var difference, size float64
	if len(got) != len(want) {
		t.Fatalf("%d tensors, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Name != w.Name || g.DType != w.DType || !slices.Equal(g.Shape, w.Shape) {
			t.Fatalf("tensor %s %s %d, want %s %s %d", g.Name, g.DType, g.Shape, w.Name, w.DType, w.Shape)
		}
		for j, x := range w.values {
			difference += math.Pow(float64(x-g.values[j]), 2)
			size += math.Pow(float64(x), 2)
		}
	}
	return math.Sqrt(difference / size)
}

// A run of the same configuration from the first step on: the tokenizer that is
// learnt, what is held out, the weights drawn and the order of samples are as before.
func TestRunAnew(t *testing.T) {
	copied(t)
	for _, name := range []string{"bpe", "bytes"} {
		out := filepath.Join(t.TempDir(), "run")
		if _, err := train.Run(context.Background(), configOf(t, name), train.Options{Out: out, PeakFLOPS: 1e11, Workers: 1}); err != nil {
			t.Fatal(err)
		}
		compareRecords(t, records(t, file(t, out, train.MetricsFile)), records(t, file(t, runFolder(name), train.MetricsFile)))
		for _, step := range []string{halfway, ended} {
			comparePositions(t, stateOf(t, filepath.Join(out, train.CheckpointsDir, step)), stateOf(t, saved(name, step)))
		}
	}
}
