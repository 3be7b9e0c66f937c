package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/internal/filemap"
)

// file puts a header's length, a header and so many zero bytes of data together.
func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	return append(b, make([]byte, data)...)
}

func TestMalformed(t *testing.T) {
	const ok = `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`
	for _, tt := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty", nil, "truncated: 0 bytes, expected at least 8"},
		{"no header", make([]byte, 8), "does not begin with {"},
		{"huge header", bytes.Repeat([]byte{0xff}, 100), "a header of 18446744073709551615 bytes is more than"},
		{"header past the end", file(ok, 0)[:20], "truncated within its header: 20 bytes, expected at least 62"},
		{"data cut short", file(ok, 7), "truncated: 7 bytes of tensors, expected 8 (the file has 69 bytes)"},
		{"data too long", file(ok, 9), "9 bytes of tensors, expected 8: 1 too many (the file has 71 bytes)"},
		{"not JSON", file("{hello}", 0), "malformed"},
		{"JSON cut short", file(ok[:len(ok)-1], 8), "malformed"},
		{"not an object", file("[]", 0), "does not begin with {"},
		{"bytes after the JSON", file(ok+"x", 8), "1 bytes after its JSON"},
		{"not UTF-8", file("{\"\xff\":1}", 0), "not UTF-8"},
		{"metadata of a number", file(`{"__metadata__":{"a":1}}`, 0), `"a": 1 where a string belongs`},
		{"metadata of a list", file(`{"__metadata__":[]}`, 0), "__metadata__: [ where an object belongs"},
		{"metadata given twice", file(`{"__metadata__":{},"__metadata__":{}}`, 0), `"__metadata__" is given twice`},
		{"name given twice", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\u0061":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}`, 16), `"a" is given twice`},
		{"unknown dtype", file(`{"a":{"dtype":"F3","shape":[2],"data_offsets":[0,8]}}`, 8), `tensor a: unknown dtype "F3"`},
		{"field given twice", file(`{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), `tensor a: field "dtype" is given twice`},
		{"no dtype", file(`{"a":{"shape":[2],"data_offsets":[0,8]}}`, 8), "tensor a: dtype, shape or data_offsets is missing"},
		{"no tensor", file(`{"a":3}`, 0), "tensor a: 3 where an object belongs"},
		{"negative size", file(`{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}`, 8), "-2 is not a size"},
		{"fraction", file(`{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}`, 8), "2.0 is not a size"},
		{"nested shape", file(`{"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}}`, 8), "[ where a number belongs"},
		{"size beyond 63 bits", file(`{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}`, 8), "9223372036854775808 is not a size"},
		{"shape that overflows", file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0), "shape [4294967296 4294967296] is too large"},
		{"bytes that overflow", file(`{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}`, 0), "does not fill its 0 bytes"},
		{"shape of another size", file(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8), "shape [3] of F32 does not fill its 8 bytes"},
		{"range backwards", file(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[8,0]}}`, 8), "data_offsets [8 0] are no range"},
		{"range of three", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}`, 8), "data_offsets [0 8 8] are no range"},
		{"range beyond the file", file(`{"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}}`, 8), "truncated: 8 bytes of tensors, expected 9223372036854775807"},
		{"hole at the start", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12), "no tensor holds bytes 0 to 4, before a"},
		{"hole", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}`, 16), "no tensor holds bytes 8 to 12, before b"},
		{"overlap", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12), "tensor b begins at byte 4, within another that ends at 8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewFile(filemap.Bytes(tt.raw), "f.safetensors")
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "f.safetensors: ") {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// Headers are taken and refused as Python's safetensors does: testdata/golden.py.
func TestHeadersOfOthers(t *testing.T) {
	raw, err := os.ReadFile("testdata/headers.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][3]json.RawMessage
	if err := json.Unmarshal(raw, &rows); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, row := range rows {
		var header string
		var size int
		var want []string
		for i, into := range []any{&header, &size, &want} {
			if err := json.Unmarshal(row[i], into); err != nil {
				t.Fatal(err)
			}
		}
		if want == nil {
			refused++
		}
		raw := file(header, size)
		f, err := NewFile(filemap.Bytes(raw), "f.safetensors")
		if (err == nil) != (want != nil) {
			t.Errorf("%q: %v, want the tensors %q", header, err, want)
			continue
		}
		if err != nil {
			continue
		}
		var got []string
		for _, info := range f.Tensors() {
			got = append(got, info.Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q has tensors %q, want %q", header, got, want)
		}
	}
	if refused == 0 || refused == len(rows) {
		t.Errorf("%d of %d headers are to be refused", refused, len(rows))
	}
}

func TestOpenRejects(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a folder: %v", err)
	}
}

// A file that shrinks while it is read is an error, not zeros.
func TestShrunkWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.safetensors")
	if err := os.WriteFile(path, file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 66); err != nil {
		t.Fatal(err)
	}
	if err := f.ReadFloat32("a", make([]float32, 2)); err == nil || !strings.Contains(err.Error(), "reading tensor a: the file was cut short while it was read") {
		t.Errorf("got %v", err)
	}
}

// What the reader accepts is consistent and can be read to the end.
func FuzzNewFile(f *testing.F) {
	golden, err := os.ReadFile("testdata/python.safetensors")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add(file(`{"a":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[],"data_offsets":[4,6]}}`, 6))
	f.Add(file(`{"__metadata__":{"a":"b"},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}} `, 0))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := NewFile(filemap.Bytes(raw), "fuzz")
		if err != nil {
			return
		}
		total := int64(0)
		names := map[string]bool{}
		for _, info := range s.Tensors() {
			elements := int64(1)
			for _, d := range info.Shape {
				elements *= int64(d)
			}
			if elements != info.Elements() || names[info.Name] {
				t.Fatalf("inconsistent: %+v", info)
			}
			names[info.Name] = true
			total += info.Bytes()
			if info.DType.Float() {
				if err := s.ReadFloat32(info.Name, make([]float32, elements)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if headerLen := int64(binary.LittleEndian.Uint64(raw)); 8+headerLen+total != int64(len(raw)) {
			t.Fatalf("%d bytes of tensors and %d of header in a file of %d", total, headerLen, len(raw))
		}
	})
}
