package safetensors

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxHeader bounds the header's length, as the format's own implementation does.
const maxHeader = 100_000_000

// metadataKey is the header's one entry that is no tensor.
const metadataKey = "__metadata__"

// blanks may stand around the header's JSON. The format pads with spaces behind it
// alone; its own implementation takes all that JSON does, on both sides.
const blanks = " \t\r\n"

// Info describes one tensor of a file.
type Info struct {
	Name  string
	DType DType
	Shape []int // empty for a scalar

	begin, end int64 // byte range, counted from the end of the header
}

// NewInfo describes a tensor of some other file by the terms of this format, at
// the given byte of its data. The shape must have been checked.
func NewInfo(name string, dtype DType, shape []int, at int64) Info {
	size := dtype.Size()
	for _, d := range shape {
		size *= int64(d)
	}
	return Info{name, dtype, shape, at, at + size}
}

// Elements is the number of elements that the shape has.
func (t Info) Elements() int64 { return (t.end - t.begin) / t.DType.Size() }

// Bytes is the number of bytes that the tensor takes in the file.
func (t Info) Bytes() int64 { return t.end - t.begin }

// header is a checked header: its tensors lie end to end in the order given.
type header struct {
	metadata map[string]string
	tensors  []Info // in order of their data
	dataLen  int64  // where the last tensor ends
}

// parseHeader decodes and checks the JSON of a header. Whether the file holds
// dataLen bytes of data is left to the caller.
func parseHeader(raw []byte) (*header, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("its header is not UTF-8")
	}
	raw = bytes.Trim(raw, blanks)
	if len(raw) == 0 || raw[0] != '{' {
		return nil, errors.New("its header does not begin with {; is it a safetensors file?")
	}
	h := &header{metadata: map[string]string{}}
	p := headerParser{json.NewDecoder(bytes.NewReader(raw))}
	p.dec.UseNumber()
	seen := map[string]bool{}
	err := p.object(func(key string) error {
		if seen[key] {
			return fmt.Errorf("%q is given twice", key)
		}
		seen[key] = true
		if key == metadataKey {
			return p.metadata(h.metadata)
		}
		t, err := p.tensor(key)
		h.tensors = append(h.tensors, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("its header is malformed: %w", err)
	}
	if rest := raw[p.dec.InputOffset():]; len(rest) > 0 {
		return nil, fmt.Errorf("its header has %d bytes after its JSON", len(rest))
	}

	// Empty tensors share their begin with the next one and come first.
	slices.SortStableFunc(h.tensors, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	for _, t := range h.tensors {
		switch {
		case t.begin < h.dataLen:
			return nil, fmt.Errorf("tensor %s begins at byte %d, within another that ends at %d", t.Name, t.begin, h.dataLen)
		case t.begin > h.dataLen:
			return nil, fmt.Errorf("no tensor holds bytes %d to %d, before %s", h.dataLen, t.begin, t.Name)
		}
		h.dataLen = t.end
	}
	return h, nil
}

// headerParser reads a header token by token: encoding/json's Unmarshal would
// let a name occur twice and take fields in other cases.
type headerParser struct{ dec *json.Decoder }

// object reads an object and calls value at each key to read what follows it.
func (p headerParser) object(value func(key string) error) error {
	if err := p.delim('{', "an object"); err != nil {
		return err
	}
	return p.entries(value)
}

// entries reads an object behind its brace.
func (p headerParser) entries(value func(key string) error) error {
	for p.dec.More() {
		token, err := p.dec.Token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok {
			return fmt.Errorf("%v where a key belongs", token)
		}
		if err := value(key); err != nil {
			return err
		}
	}
	return p.delim('}', "the end of an object")
}

func (p headerParser) delim(want json.Delim, what string) error {
	token, err := p.dec.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("%v where %s belongs", token, what)
	}
	return nil
}

func (p headerParser) string() (string, error) {
	token, err := p.dec.Token()
	if err != nil {
		return "", err
	}
	s, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("%v where a string belongs", token)
	}
	return s, nil
}

// sizes reads an array of whole numbers that are not negative.
func (p headerParser) sizes() ([]int64, error) {
	if err := p.delim('[', "an array"); err != nil {
		return nil, err
	}
	list := []int64{}
	for p.dec.More() {
		token, err := p.dec.Token()
		if err != nil {
			return nil, err
		}
		number, ok := token.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%v where a number belongs", token)
		}
		n, err := strconv.ParseUint(string(number), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%s is not a size", number)
		}
		list = append(list, int64(n))
	}
	return list, p.delim(']', "the end of an array")
}

// metadata reads an object of strings, or null.
func (p headerParser) metadata(into map[string]string) error {
	token, err := p.dec.Token()
	if err != nil || token == nil {
		return err
	}
	if token != json.Delim('{') {
		return fmt.Errorf("%s: %v where an object belongs", metadataKey, token)
	}
	return p.entries(func(key string) error {
		if _, ok := into[key]; ok {
			return fmt.Errorf("%s: %q is given twice", metadataKey, key)
		}
		value, err := p.string()
		if err != nil {
			return fmt.Errorf("%s: %q: %w", metadataKey, key, err)
		}
		into[key] = value
		return nil
	})
}

func (p headerParser) tensor(name string) (Info, error) {
	var shape, offsets []int64
	t := Info{Name: name}
	err := p.object(func(key string) (err error) {
		switch {
		case key == "dtype" && t.DType == "":
			var dtype string
			dtype, err = p.string()
			t.DType = DType(dtype)
			if err == nil && t.DType.Size() == 0 {
				err = fmt.Errorf("unknown dtype %q", dtype)
			}
		case key == "shape" && shape == nil:
			shape, err = p.sizes()
		case key == "data_offsets" && offsets == nil:
			offsets, err = p.sizes()
		case key == "dtype" || key == "shape" || key == "data_offsets":
			err = fmt.Errorf("field %q is given twice", key)
		default: // of a later version, or of the writer's own
			var skipped json.RawMessage
			err = p.dec.Decode(&skipped)
		}
		return err
	})
	switch {
	case err != nil:
	case t.DType == "" || shape == nil || offsets == nil:
		err = errors.New("dtype, shape or data_offsets is missing")
	case len(offsets) != 2 || offsets[0] > offsets[1]:
		err = fmt.Errorf("data_offsets %d are no range", offsets)
	default:
		t.begin, t.end = offsets[0], offsets[1]
		t.Shape, err = checkShape(shape, t.DType, t.end-t.begin)
	}
	if err != nil {
		return Info{}, fmt.Errorf("tensor %s: %w", name, err)
	}
	return t, nil
}

// checkShape turns a shape into ints once its elements are known to fill the
// given number of bytes.
func checkShape(shape []int64, dtype DType, size int64) ([]int, error) {
	dims := make([]int, len(shape))
	elements := int64(1)
	for i, d := range shape {
		if d > math.MaxInt || d > 0 && elements > math.MaxInt64/d {
			return nil, fmt.Errorf("shape %d is too large", shape)
		}
		dims[i] = int(d)
		elements *= d
	}
	if elements > math.MaxInt64/dtype.Size() || elements*dtype.Size() != size {
		return nil, fmt.Errorf("shape %d of %s does not fill its %d bytes", shape, dtype, size)
	}
	return dims, nil
}
