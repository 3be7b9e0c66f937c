package torchfile

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// testdata/golden.py wrote the files and what torch reads in them.
func TestTorchFiles(t *testing.T) {
	raw, err := os.ReadFile("testdata/torch.json")
	if err != nil {
		t.Fatal(err)
	}
	var files map[string]map[string]struct {
		Shape []int     `json:"shape"`
		Data  []float32 `json:"data"`
	}
	if err := json.Unmarshal(raw, &files); err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		f, err := Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if len(f.Tensors()) != len(want) {
			t.Errorf("%s has %d tensors, want %d", name, len(f.Tensors()), len(want))
		}
		for tensor, w := range want {
			info, ok := f.Lookup(tensor)
			if !ok || !slices.Equal(info.Shape, w.Shape) {
				t.Errorf("%s: %s has shape %d, want %d", name, tensor, info.Shape, w.Shape)
				continue
			}
			got := make([]float32, info.Elements())
			err := f.ReadFloat32(tensor, got)
			if tensor == "ids" {
				if err == nil || !strings.Contains(err.Error(), "tensor ids is I64") {
					t.Errorf("%s: reading ids: %v", name, err)
				}
				continue
			}
			if err != nil || !slices.Equal(got, w.Data) {
				t.Errorf("%s: %s = %v, %v, want %v", name, tensor, got, err, w.Data)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct{ file, want string }{
		{"malicious.bin", `global "posix.system": a pickle of weights may not use it, and no code in a pickle is run`},
		{"legacy.bin", "a file of torch before 1.6 is not supported"},
		{"list.bin", "data.pkl holds a *torchfile.list; a dictionary of tensors is expected"},
		{"nested.bin", `entry "a" is no tensor`},
		{"module-object.bin", `global "torch.nn.modules.container.Sequential"`},
		{"expanded.bin", "a tensor whose shape, which has more elements than the storage, is malformed"},
		{"torch.json", "no archive of torch.save"},
	} {
		_, err := Open(filepath.Join("testdata", tt.file))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.file) {
			t.Errorf("%s: error %v, want %s", tt.file, err, tt.want)
		}
	}
	if _, err := os.Stat("testdata/executed"); err == nil {
		t.Error("code in a pickle was run")
	}
}

// archive is a file of torch.save with the given pickle and storages.
func archive(t *testing.T, pickle string, storages map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	put := func(name, content string) {
		e, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(e, content); err != nil {
			t.Fatal(err)
		}
	}
	put("archive/data.pkl", pickle)
	for key, content := range storages {
		put("archive/data/"+key, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestMalformedPickles(t *testing.T) {
	const storageOf = "(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
	tensor := func(offset, size, stride string) string {
		return "\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n(" + storageOf + offset + size + "\x85" + stride + "\x85\x89}tRs."
	}
	for _, tt := range []struct{ name, pickle, want string }{
		{"empty", "", "truncated"},
		{"no stop", "\x80\x02}", "truncated"},
		{"protocol 9", "\x80\x09}.", "protocol 9 is not supported"},
		{"stop on an empty stack", "\x80\x02.", "the stack is too short"},
		{"a long string", "\x80\x02X\xff\xff\xff\x7fabc", "truncated"},
		{"a very long string", "\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc", "truncated"},
		{"a number of 200 bytes", "\x80\x02\x8a\xc8", "a number of 200 bytes is too large"},
		{"memo never set", "\x80\x02h\x05.", "memo 5 was never set"},
		{"no mark", "\x80\x02K\x01t.", "there is no mark"},
		{"INST", "\x80\x02(ios\nsystem\n.", "opcode 0x69"},
		{"OBJ", "\x80\x02(ccollections\nOrderedDict\no.", "opcode 0x6f"},
		{"NEWOBJ", "\x80\x02)\x81.", "opcode 0x81"},
		{"eval by STACK_GLOBAL", "\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", `global "builtins.eval"`},
		{"BUILD on a tuple", "\x80\x02)}b.", "BUILD on torchfile.tuple"},
		{"calling a storage class", "\x80\x02ctorch\nFloatStorage\n)R.", "a call of torch.FloatStorage"},
		{"a key that is a number", "\x80\x02}K\x01K\x02s.", "a key of type int64"},
		{"offset beyond", tensor("K\x05", "K\x01", "K\x01"), "a tensor whose offset is malformed"},
		{"size beyond", tensor("K\x00", "K\x05", "K\x01"), "more elements than the storage"},
		{"extent beyond", tensor("K\x01", "K\x02", "K\x03"), "which leaves the storage"},
		{"negative size", tensor("K\x00", "J\xff\xff\xff\xff", "K\x01"), "shape is malformed"},
		{"huge stride", tensor("K\x00", "K\x02", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"), "shape is malformed"},
	} {
		raw := archive(t, tt.pickle, map[string]string{"0": strings.Repeat("\x00", 16)})
		_, err := NewFile(bytes.NewReader(raw), int64(len(raw)), "x.bin")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
	}
	good := tensor("K\x01", "K\x02", "K\x02")
	for _, tt := range []struct {
		name     string
		storages map[string]string
		want     string
	}{
		{"missing storage", nil, `storage "0" is missing`},
		{"short storage", map[string]string{"0": "12345678"}, "storage 0 has 8 bytes, not 4 elements of 4"},
		{"good", map[string]string{"0": strings.Repeat("\x00", 16)}, ""},
	} {
		raw := archive(t, good, tt.storages)
		_, err := NewFile(bytes.NewReader(raw), int64(len(raw)), "x.bin")
		if tt.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
	}
}

// Every cut of a good file is an error, quickly.
func TestTruncated(t *testing.T) {
	raw, err := os.ReadFile("testdata/good.bin")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for n := 0; n < len(raw); n += 97 {
		if _, err := NewFile(bytes.NewReader(raw[:n]), int64(n), "x.bin"); err == nil {
			t.Fatalf("the first %d of %d bytes were taken", n, len(raw))
		}
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

// A pickle that doubles a tuple again and again refers, and does not copy.
func TestBoundedMemory(t *testing.T) {
	pickle := "\x80\x02)" + strings.Repeat("q\x00h\x00\x86", 5000) + "."
	raw := archive(t, pickle, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := NewFile(bytes.NewReader(raw), int64(len(raw)), "x.bin")
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("a tuple was taken for a dictionary")
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("allocated %d bytes for a pickle of %d", used, len(pickle))
	}
}

func FuzzFile(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.bin")
	if err != nil || len(paths) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := NewFile(bytes.NewReader(raw), int64(len(raw)), "fuzz.bin")
		if err != nil {
			return
		}
		for _, info := range file.Tensors() {
			if info.Bytes() > int64(len(raw)) {
				t.Fatalf("tensor %s of %d bytes in a file of %d", info.Name, info.Bytes(), len(raw))
			}
			if info.DType.Float() {
				_ = file.ReadFloat32(info.Name, make([]float32, info.Elements()))
			}
		}
	})
}

func FuzzPickle(f *testing.F) {
	for _, seed := range []string{
		"\x80\x02}.",
		"\x80\x02ccollections\nOrderedDict\n)Rq\x00(X\x01\x00\x00\x00aK\x01u}b.",
		"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01M\x02\x00G?\xf0\x00\x00\x00\x00\x00\x00\x88\x89Ne.",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		value, err := unpickle(raw) // must not panic
		if err != nil && value != nil {
			t.Fatalf("%v beside error %v", value, err)
		}
	})
}
