package tensorboard

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"testing"
	"time"
)

// A record is framed as TFRecord says, and damage of any byte is found; the CRC is that of
// RFC 3720, of which 32 zeros are an example.
func TestRecord(t *testing.T) {
	zeros := uint32(0x8a9136aa)
	if got, want := masked(make([]byte, 32)), (zeros>>15|zeros<<17)+0xa282ead8; got != want {
		t.Errorf("the masked CRC of 32 zeros is %08x, want %08x", got, want)
	}
	raw := appendRecord(nil, []byte("brain.Event:2"))
	if want, _ := hex.DecodeString("0d00000000000000"); !bytes.HasPrefix(raw, want) {
		t.Errorf("the record begins with % x", raw[:8])
	}
	data, rest, err := cutRecord(append(raw, 1, 2))
	if err != nil || string(data) != "brain.Event:2" || len(rest) != 2 {
		t.Errorf("%q, %v, %v", data, rest, err)
	}
	for i := range raw {
		damaged := bytes.Clone(raw)
		damaged[i] ^= 4
		if _, _, err := cutRecord(damaged); !errors.Is(err, ErrDamaged) {
			t.Errorf("with byte %d damaged the error is %v", i, err)
		}
	}
}

// What is written is read, also where the last event is cut short.
func TestFile(t *testing.T) {
	dir, at := t.TempDir(), time.Unix(1700000000, 5e8)
	w, err := Create(dir, at)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Create(dir, at) // within the second
	if err != nil || second.Name() == w.Name() {
		t.Fatal(second, err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		w.Start(at, 11),
		w.Hyperparameters(at, []Hyperparameter{{"optim.lr", 1e-3}, {"on", true}, {"name", "adamw"}}, "a"),
		w.Scalars(at, 11, Scalar{"a", 1.5}, Scalar{"b", -2}),
		w.Text(at, 12, "text", "what a model\nwrote"),
		w.End(at, true), w.Close())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Hyperparameters(at, []Hyperparameter{{"n", 1}}); err == nil {
		t.Error("an int is no hyperparameter")
	}
	list, err := Read(w.Name())
	if err != nil || len(list) != 7 {
		t.Fatalf("%d events, %v", len(list), err)
	}
	const time = 1700000000.5
	for i, want := range map[int]Event{
		0: {Time: time, Version: "brain.Event:2"},
		1: {Time: time, Step: 11, Start: true},
		4: {Time: time, Step: 11, Values: []Value{{Tag: "a", Scalar: 1.5}, {Tag: "b", Scalar: -2}}},
		5: {Time: time, Step: 12, Values: []Value{{Tag: "text", Text: "what a model\nwrote", Plugin: "text"}}},
	} {
		if !reflect.DeepEqual(list[i], want) {
			t.Errorf("event %d is %+v, want %+v", i, list[i], want)
		}
	}
	for i, tag := range map[int]string{2: "experiment", 3: "session_start_info", 6: "session_end_info"} {
		if v := list[i].Values[0]; v.Tag != "_hparams_/"+tag || v.Plugin != "hparams" || len(v.Data) == 0 {
			t.Errorf("event %d is %+v, want %s", i, v, tag)
		}
	}
	raw, err := os.ReadFile(w.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.Name(), raw[:len(raw)-3], 0o644); err != nil {
		t.Fatal(err)
	}
	if list, err := Read(w.Name()); err != nil || len(list) != 6 {
		t.Errorf("of a file cut short %d events, %v", len(list), err)
	}
	raw[60] ^= 1
	if err := os.WriteFile(w.Name(), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(w.Name()); !errors.Is(err, ErrDamaged) {
		t.Errorf("of a damaged file: %v", err)
	}
}

// What TensorBoard's own library wrote (interop/tensorboard.sh --golden) is read.
func TestGolden(t *testing.T) {
	list, err := Read("testdata/golden.tfevents")
	want := []Event{
		{Time: 1.7e9, Version: fileVersion},
		{Time: 1.7e9 + 0.5, Step: 11, Start: true},
		{Time: 1.7e9 + 1, Step: 11, Values: []Value{{Tag: "train/loss", Scalar: 1.5}, {Tag: "train/lr", Scalar: -2}}},
		{Time: 1.7e9 + 2, Step: 12, Values: []Value{{Tag: "samples/1", Text: "what a model\nwrote", Plugin: "text"}}},
	}
	if err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("%+v, %v", list, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(appendRecord(nil, []byte{0x10, 5, 0x1a, 1, 'x'}))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		for len(raw) > 0 {
			data, rest, err := cutRecord(raw)
			if err != nil {
				break
			}
			_, _ = parseEvent(data)
			raw = rest
		}
		_, _ = parseEvent(raw)
	})
}
