//go:build gpu

package device

import (
	"strings"
	"testing"
)

// Where there is no GPU, cuda is an error that says so and auto is the processor,
// with one note.
func TestOpenWithoutGPU(t *testing.T) {
	dev, err := Open("cuda", 1, nil)
	if err == nil {
		defer dev.Close()
		t.Skip("there is a GPU: ", dev.Name())
	}
	if text := err.Error(); !strings.HasPrefix(text, "device (cuda): ") || !strings.Contains(text, "\nhint: ") {
		t.Errorf("the error is %q", text)
	}
	var notes []string
	dev, err = Open(Auto, 1, func(text string) { notes = append(notes, text) })
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "no GPU is used: ") || strings.Contains(notes[0], "\n") {
		t.Errorf("the notes are %q", notes)
	}
	if _, ok := dev.(Accelerator); ok {
		t.Errorf("the device is %s", dev.Name())
	}
}
