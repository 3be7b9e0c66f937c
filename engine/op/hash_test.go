package op

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// examples are one operation of each type, all in one scope. The test file of an
// operation adds its own.
var examples []Op

// example adds operations to the examples.
func example(ops ...Op) { examples = append(examples, ops...) }

const exampleScope = scope("0.test")

// Every field of every operation, its scope among them, is part of its hash:
// gorgonia merges nodes by it.
func TestHashOfEveryField(t *testing.T) {
	seen := map[uint32]string{}
	for _, o := range examples {
		name := fmt.Sprintf("%T", o)
		if other, ok := seen[o.Hashcode()]; ok {
			t.Errorf("%s at one scope hashes like %s", name, other)
		}
		seen[o.Hashcode()] = name

		fields := leaves(reflect.TypeOf(o), nil)
		if len(fields) == 0 {
			t.Errorf("%s has no fields, not even a scope", name)
		}
		for _, path := range fields {
			changed := reflect.New(reflect.TypeOf(o)).Elem()
			changed.Set(reflect.ValueOf(o))
			before := changed.Interface().(Op).Hashcode()
			if before != o.Hashcode() {
				t.Errorf("%s: a copy hashes differently", name)
			}
			field := change(changed, path)
			if changed.Interface().(Op).Hashcode() == before {
				t.Errorf("%s: another %s hashes the same", name, field)
			}
		}
	}
}

// leaves are the index paths of a struct's fields that are not structs.
func leaves(t reflect.Type, prefix []int) [][]int {
	var paths [][]int
	for i := range t.NumField() {
		path := append(slices.Clone(prefix), i)
		if f := t.Field(i); f.Type.Kind() == reflect.Struct {
			paths = append(paths, leaves(f.Type, path)...)
		} else {
			paths = append(paths, path)
		}
	}
	return paths
}

// change gives a field another value, unexported or not, and returns its name.
func change(v reflect.Value, path []int) string {
	f := v.FieldByIndex(path)
	f = reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
	switch f.Kind() {
	case reflect.Bool:
		f.SetBool(!f.Bool())
	case reflect.Uint8:
		f.SetUint(f.Uint() + 1)
	case reflect.Int:
		f.SetInt(f.Int() + 1)
	case reflect.Float64:
		f.SetFloat(f.Float() * (1 + 1e-12))
	case reflect.String:
		f.SetString(f.String() + "x")
	case reflect.Slice:
		other := reflect.MakeSlice(f.Type(), f.Len(), f.Len())
		reflect.Copy(other, f)
		other.Index(0).SetInt(other.Index(0).Int() + 1)
		f.Set(other)
	default:
		panic(fmt.Sprintf("op: field of kind %v", f.Kind()))
	}
	return v.Type().FieldByIndex(path).Name
}

// Gorgonia compares two nodes of equal hash by their operation's hash, their
// type and their shape, never by their children. So where every node has an
// operation hash of its own, no collision of node hashes can merge two.
func TestNoTwoNodesCanMerge(t *testing.T) {
	m, err := record(sharedModel(), tensor.Float32, true)
	if err != nil {
		t.Fatal(err)
	}
	defer m.vm.Close()
	seen := map[uint32]*gorgonia.Node{}
	for _, n := range m.loss.Graph().AllNodes() {
		o, ok := n.Op().(Op)
		if !ok {
			continue
		}
		if other, ok := seen[o.Hashcode()]; ok {
			t.Errorf("nodes %d (%v) and %d (%v) have operations of one hash", n.ID(), n.Op(), other.ID(), other.Op())
		}
		seen[o.Hashcode()] = n
	}
	// Both layers, forward and backward: were one merged, there would be fewer.
	places := map[string]int{}
	for _, n := range seen {
		places[n.Op().(Op).Scope()]++
	}
	for _, at := range []string{"attn_norm", "qkv", "attn", "o", "attn_add", "ffn_norm", "gate_up", "ffn", "down", "ffn_add"} {
		if first, second := places["0."+at], places["1."+at]; first == 0 || first != second {
			t.Errorf("%s: %d operations in layer 0, %d in layer 1", at, first, second)
		}
	}
}

// The same operation on the same input is one node in one scope and two at two.
func TestMergeByPlace(t *testing.T) {
	g := gorgonia.NewGraph()
	x := gorgonia.NewMatrix(g, gorgonia.Float32, gorgonia.WithShape(2, 4), gorgonia.WithName("x"))
	at := func(where string) *gorgonia.Node {
		n, err := SwiGLU(where, x)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first, again := at("0.ffn"), at("0.ffn")
	if first != again {
		t.Error("one scope gave two nodes")
	}
	if at("0.ffn") == at("1.ffn") {
		t.Error("two places gave one node")
	}
}
