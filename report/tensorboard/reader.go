package tensorboard

import (
	"errors"
	"fmt"
	"io"
	"os"

	"mobilellm/internal/protowire"
)

// Event is what an event file says at once.
type Event struct {
	Time    float64 // seconds since 1970
	Step    int64
	Version string // of the file, in its first event
	Start   bool   // a session begins with this step
	Values  []Value
}

// Value is a value of a step: a number, or a text, or what a plugin keeps.
type Value struct {
	Tag    string
	Scalar float32
	Text   string
	Plugin string
	Data   []byte // of the plugin
}

// Read reads a file's events. The last record may be cut short, as of a run that was
// killed.
func Read(path string) (list []Event, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for len(raw) > 0 {
		data, rest, err := cutRecord(raw)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return list, nil
		}
		var e Event
		if err == nil {
			e, err = parseEvent(data)
		}
		if err != nil {
			return list, fmt.Errorf("%s: event %d: %w", path, len(list)+1, err)
		}
		list, raw = append(list, e), rest
	}
	return list, nil
}

func parseEvent(data []byte) (e Event, err error) {
	err = protowire.Each(data, func(f protowire.Field) error {
		switch f.Number {
		case eventTime:
			e.Time = f.Double()
		case eventStep:
			e.Step = f.Int()
		case eventVersion:
			e.Version = string(f.Bytes)
		case eventSession:
			return protowire.Each(f.Bytes, func(g protowire.Field) error {
				e.Start = e.Start || g.Number == 1 && g.Int() == sessionStart
				return nil
			})
		case eventSummary:
			return protowire.Each(f.Bytes, func(g protowire.Field) error {
				v, err := parseValue(g.Bytes)
				e.Values = append(e.Values, v)
				return err
			})
		}
		return nil
	})
	return e, err
}

func parseValue(data []byte) (v Value, err error) {
	err = protowire.Each(data, func(f protowire.Field) error {
		switch f.Number {
		case valueTag:
			v.Tag = string(f.Bytes)
		case valueSimple:
			v.Scalar = f.Float()
		case valueTensor:
			return protowire.Each(f.Bytes, func(g protowire.Field) error {
				if g.Number == tensorStrings {
					v.Text = string(g.Bytes)
				}
				return nil
			})
		case valueMetadata:
			return protowire.Each(f.Bytes, func(g protowire.Field) error {
				if g.Number != metadataPlugin {
					return nil
				}
				return protowire.Each(g.Bytes, func(h protowire.Field) error {
					switch h.Number {
					case 1:
						v.Plugin = string(h.Bytes)
					case 2:
						v.Data = h.Bytes
					}
					return nil
				})
			})
		}
		return nil
	})
	return v, err
}
