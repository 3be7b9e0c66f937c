package op

import (
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Wrong shapes are found when the graph is built; the error names the
// operation, its scope and the shapes.
func TestBadShapes(t *testing.T) {
	heads := func(change func(h *Heads)) Heads {
		h := Heads{Batch: 2, Seq: 3, Heads: 4, KVHeads: 2, HeadDim: 4, RoPE: RoPE{Base: 10000}}
		change(&h)
		return h
	}
	type nodes = gorgonia.Nodes
	for _, c := range []struct {
		name   string
		shapes []tensor.Shape
		build  func(in nodes) (*gorgonia.Node, error)
		want   []string
	}{
		{
			"linear: weight of another width",
			[]tensor.Shape{{6, 4}, {3, 4}, {2, 5}},
			func(in nodes) (*gorgonia.Node, error) { return Linear("3.qkv", in[0], in[1:]...) },
			[]string{"linear 3.qkv", "weight 1 is (2, 5)", "(6, 4)"},
		},
		{
			"linear: weight is a vector",
			[]tensor.Shape{{6, 4}, {4}},
			func(in nodes) (*gorgonia.Node, error) { return Linear("3.qkv", in[0], in[1]) },
			[]string{"linear 3.qkv"},
		},
		{
			"rmsnorm: weight of another width",
			[]tensor.Shape{{6, 4}, {5}},
			func(in nodes) (*gorgonia.Node, error) { return RMSNorm("3.norm", in[0], in[1], 1e-5) },
			[]string{"rmsnorm 3.norm", "(6, 4)", "(5)"},
		},
		{
			"attention: another number of tokens",
			[]tensor.Shape{{5, 32}},
			func(in nodes) (*gorgonia.Node, error) { return Attention("3.attn", in[0], heads(func(*Heads) {})) },
			[]string{"attention 3.attn", "(5, 32)", "(6, 32)"},
		},
		{
			"attention: another width",
			[]tensor.Shape{{6, 48}},
			func(in nodes) (*gorgonia.Node, error) { return Attention("3.attn", in[0], heads(func(*Heads) {})) },
			[]string{"attention 3.attn", "(6, 48)", "(6, 32)"},
		},
		{
			"attention: heads not divisible by kv heads",
			[]tensor.Shape{{6, 40}},
			func(in nodes) (*gorgonia.Node, error) {
				return Attention("3.attn", in[0], heads(func(h *Heads) { h.KVHeads = 3 }))
			},
			[]string{"attention 3.attn", "4 heads", "3 kv heads"},
		},
		{
			"attention: no kv heads",
			[]tensor.Shape{{6, 16}},
			func(in nodes) (*gorgonia.Node, error) {
				return Attention("3.attn", in[0], heads(func(h *Heads) { h.KVHeads = 0 }))
			},
			[]string{"attention 3.attn", "4 heads", "0 kv heads"},
		},
		{
			"attention: odd head size",
			[]tensor.Shape{{6, 24}},
			func(in nodes) (*gorgonia.Node, error) {
				return Attention("3.attn", in[0], heads(func(h *Heads) { h.HeadDim = 3 }))
			},
			[]string{"attention 3.attn", "head size 3"},
		},
		{
			"attention: another number of starts",
			[]tensor.Shape{{8, 32}},
			func(in nodes) (*gorgonia.Node, error) {
				return MaskedAttention("3.attn", in[0], ids6(in), heads(func(h *Heads) { h.Batch, h.Seq = 2, 4 }))
			},
			[]string{"attention 3.attn", "starts is (6)", "want (8)"},
		},
		{
			"attention: starts are floats",
			[]tensor.Shape{{6, 32}, {6}},
			func(in nodes) (*gorgonia.Node, error) {
				return MaskedAttention("3.attn", in[0], in[1], heads(func(*Heads) {}))
			},
			[]string{"attention 3.attn"},
		},
		{
			"swiglu: odd width",
			[]tensor.Shape{{6, 5}},
			func(in nodes) (*gorgonia.Node, error) { return SwiGLU("3.ffn", in[0]) },
			[]string{"swiglu 3.ffn", "5 columns"},
		},
		{
			"add: other rows",
			[]tensor.Shape{{6, 5}, {5, 5}},
			func(in nodes) (*gorgonia.Node, error) { return Add("3.add", in[0], in[1]) },
			[]string{"add 3.add", "(6, 5)", "(5, 5)"},
		},
		{
			"add: a transposed value",
			[]tensor.Shape{{6, 5}, {5, 6}},
			func(in nodes) (*gorgonia.Node, error) { return Add("3.add", in[0], in[1]) },
			[]string{"add 3.add", "(6, 5)", "(5, 6)"},
		},
		{
			"add: a row and a column",
			[]tensor.Shape{{6, 1}, {1, 6}},
			func(in nodes) (*gorgonia.Node, error) { return Add("3.add", in[0], in[1]) },
			[]string{"add 3.add", "(6, 1)", "(1, 6)"},
		},
		{
			"headloss: weight of another width",
			[]tensor.Shape{{6, 4}, {9, 5}},
			func(in nodes) (*gorgonia.Node, error) { return HeadLoss("head", in[0], in[1], ids6(in), scale(in)) },
			[]string{"headloss head", "(6, 4)", "(9, 5)"},
		},
		{
			"qknorm: weights of another size",
			[]tensor.Shape{{6, 24}, {4}, {6}},
			func(in nodes) (*gorgonia.Node, error) {
				return QKNorm("0.attn.qknorm", in[0], in[1], in[2], QKHeads{2, 1, 6}, 1e-5)
			},
			[]string{"qknorm 0.attn.qknorm", "(6, 24)", "(4)", "2 query and 1 key heads of 6"},
		},
		{
			"headloss: a coefficient below 0",
			[]tensor.Shape{{6, 4}, {9, 4}},
			func(in nodes) (*gorgonia.Node, error) {
				loss, _, err := HeadZLoss("head", in[0], in[1], ids6(in), scale(in), -1)
				return loss, err
			},
			[]string{"headloss head", "coefficient is -1"},
		},
		{
			"headloss: another number of targets",
			[]tensor.Shape{{5, 4}, {9, 4}},
			func(in nodes) (*gorgonia.Node, error) { return HeadLoss("head", in[0], in[1], ids6(in), scale(in)) },
			[]string{"headloss head", "(5, 4)", "(6)"},
		},
		{
			"embedding: ids are floats",
			[]tensor.Shape{{9, 4}, {6}},
			func(in nodes) (*gorgonia.Node, error) { return Embedding("embed", in[0], in[1]) },
			[]string{"embedding embed"},
		},
		{
			"relu: a vector",
			[]tensor.Shape{{6}},
			func(in nodes) (*gorgonia.Node, error) { return ReLU("3.ffn", in[0]) },
			[]string{"relu 3.ffn"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gorgonia.NewGraph()
			var in nodes
			for i, s := range c.shapes {
				in = append(in, gorgonia.NewTensor(g, gorgonia.Float32, len(s), gorgonia.WithShape(s...), gorgonia.WithName(string(rune('a'+i)))))
			}
			_, err := c.build(in)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not contain %q", err, want)
				}
			}
		})
	}
}

func ids6(in gorgonia.Nodes) *gorgonia.Node {
	return gorgonia.NewVector(in[0].Graph(), tensor.Int32, gorgonia.WithShape(6), gorgonia.WithName("ids"))
}

func scale(in gorgonia.Nodes) *gorgonia.Node {
	return gorgonia.NewScalar(in[0].Graph(), gorgonia.Float32, gorgonia.WithName("scale"))
}

// A token that the vocabulary does not have is data's mistake: an error, and no
// read or write beyond the table.
func TestTokenOutOfRange(t *testing.T) {
	w := normal(random(16), "w", 1, 5, 3)
	for _, c := range []struct {
		ids  []int32
		want string
	}{
		{[]int32{0, 4, 5}, "op: embedding embed: token 2 is 5, vocabulary has 5"},
		{[]int32{0, -1, 4}, "op: embedding embed: token 1 is -1, vocabulary has 5"},
	} {
		f := function{
			args:  []argument{w, tokens("ids", c.ids...)},
			build: binary(func(w, ids *gorgonia.Node) (*gorgonia.Node, error) { return Embedding("embed", w, ids) }),
		}
		checkRunError(t, f, c.want)
	}
	checkRunError(t, function{args: headArguments(1, 1, 0, 9), build: buildHeadLoss},
		"op: headloss head: target 1 is 9, vocabulary has 9")
}

// Nor does a token see keys that are none of its sequence's.
func TestStartOutOfRange(t *testing.T) {
	h := Heads{Batch: 2, Seq: 2, Heads: 1, KVHeads: 1, HeadDim: 2, RoPE: RoPE{Base: 10000}}
	qkv := normal(random(18), "qkv", 1, 4, h.Width())
	for _, c := range []struct {
		starts []int32
		want   string
	}{
		{[]int32{0, 1, 1, 0}, "op: attention 0.attn: the document of token 2 begins at position 1, the token is at 0"},
		{[]int32{0, -1, 0, 0}, "op: attention 0.attn: the document of token 1 begins at position -1, the token is at 1"},
	} {
		checkRunError(t, function{args: []argument{qkv, tokens("starts", c.starts...)}, build: attendMasked(h)}, c.want)
	}
}

func checkRunError(t *testing.T, f function, want string) {
	t.Helper()
	for _, dtype := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		m, err := record(f, dtype, true)
		if err != nil {
			t.Fatal(err)
		}
		defer m.vm.Close()
		if _, err := m.run(f.args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error is %v, want %q", dtype, err, want)
		}
	}
}

// Values of other types than the graph's are refused by Do.
func TestMixedTypes(t *testing.T) {
	r := random(17)
	a, b := normal(r, "a", 1, 2, 3), normal(r, "b", 1, 2, 3)
	_, err := AddOp{"3.add"}.Do(a.value(tensor.Float32), b.value(tensor.Float64))
	if want := "op: add 3.add: input 1 is []float64, want []float32"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %q", err, want)
	}
	ids := tokens("ids", 1, 2).value(tensor.Float32)
	_, err = AddOp{"3.add"}.Do(ids, ids)
	if want := "op: add 3.add: no input of type float32 or float64"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %q", err, want)
	}
}

// A builder that goes on after an error gives nodes that are not there.
func TestMissingNode(t *testing.T) {
	_, err := Add("3.add", gorgonia.NewMatrix(gorgonia.NewGraph(), tensor.Float32, gorgonia.WithShape(2, 3)), nil)
	if err == nil || err.Error() != "op: add 3.add: input 1 is not there" {
		t.Errorf("error is %v", err)
	}
}
