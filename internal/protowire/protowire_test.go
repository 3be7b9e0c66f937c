package protowire

import (
	"slices"
	"testing"
)

// The first bytes are the examples of the format's own guide.
func TestMessage(t *testing.T) {
	for _, tt := range []struct {
		name  string
		build func(*Message)
		want  []byte
	}{
		{"150 in field 1", func(m *Message) { m.Int(1, 150) }, []byte{0x08, 0x96, 0x01}},
		{"testing in field 2", func(m *Message) { m.String(2, "testing") }, []byte{0x12, 7, 't', 'e', 's', 't', 'i', 'n', 'g'}},
		{"-2", func(m *Message) { m.Int(1, -2) }, []byte{0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
		{"1.0", func(m *Message) { m.Float(3, 1) }, []byte{0x1d, 0, 0, 0x80, 0x3f}},
		{"1.0 as a double", func(m *Message) { m.Double(2, 1) }, []byte{0x11, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}},
		{"true", func(m *Message) { m.Bool(16, true) }, []byte{0x80, 0x01, 1}},
	} {
		var m Message
		tt.build(&m)
		if !slices.Equal([]byte(m), tt.want) {
			t.Errorf("%s: % x, want % x", tt.name, []byte(m), tt.want)
		}
	}
}

func TestEach(t *testing.T) {
	var inner, m Message
	inner.Int(1, 5)
	m.Bytes(1, inner)
	m.Float(2, 2.5)
	m.Int(3, 7)
	m.Bytes(3, []byte{0x96, 0x01, 0x02}) // packed
	var ints []int64
	var seen []int
	err := Each(m, func(f Field) (err error) {
		seen = append(seen, f.Number)
		switch f.Number {
		case 1:
			return Each(f.Bytes, func(g Field) error {
				if g.Number != 1 || g.Int() != 5 {
					t.Errorf("inner field %d is %d", g.Number, g.Int())
				}
				return nil
			})
		case 2:
			if f.Float() != 2.5 {
				t.Errorf("float is %v", f.Float())
			}
		case 3:
			ints, err = f.Ints(ints)
		}
		return err
	})
	if err != nil || !slices.Equal(seen, []int{1, 2, 3, 3}) || !slices.Equal(ints, []int64{7, 150, 2}) {
		t.Errorf("fields %v, ints %v, %v", seen, ints, err)
	}
	for n := 1; n < len(m); n++ {
		// A cut is an error unless it falls between two fields.
		err := Each(m[:n], func(Field) error { return nil })
		if between := n == 4 || n == 9 || n == 11; (err == nil) != between {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	for _, bad := range [][]byte{{0x00}, {0x0b}, {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, {0x08, 0x80}} {
		if err := Each(bad, func(Field) error { return nil }); err == nil {
			t.Errorf("% x was taken", bad)
		}
	}
}

func FuzzEach(f *testing.F) {
	f.Add([]byte{0x08, 0x96, 0x01, 0x12, 2, 'h', 'i'})
	f.Fuzz(func(t *testing.T, raw []byte) {
		total := 0
		_ = Each(raw, func(field Field) error {
			total += len(field.Bytes)
			_, _ = field.Ints(nil)
			return nil
		})
		if total > len(raw) {
			t.Fatalf("fields of %d bytes in %d", total, len(raw))
		}
	})
}
