package torchfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// The values of the machine besides nil, bool, int64, float64 and string.
type (
	mark  struct{}
	tuple []any
	list  struct{ items []any }
	// dict keeps the order in which keys were set.
	dict struct {
		keys   []string
		values map[string]any
	}
	// global is a name that a pickle may mention, from allowed.
	global string
)

// The names that a state dictionary mentions.
const (
	orderedDict      global = "collections.OrderedDict"
	rebuildTensor    global = "torch._utils._rebuild_tensor_v2"
	rebuildParameter global = "torch._utils._rebuild_parameter"
)

// storageTypes are the classes of storages and their element's type.
var storageTypes = map[global]string{
	"torch.FloatStorage": "F32", "torch.HalfStorage": "F16", "torch.BFloat16Storage": "BF16",
	"torch.DoubleStorage": "F64", "torch.LongStorage": "I64", "torch.IntStorage": "I32",
	"torch.ShortStorage": "I16", "torch.CharStorage": "I8", "torch.ByteStorage": "U8", "torch.BoolStorage": "BOOL",
}

// allowed reports whether a pickle may mention a name.
func allowed(name global) bool {
	_, storage := storageTypes[name]
	return storage || name == orderedDict || name == rebuildTensor || name == rebuildParameter
}

// errForeign marks a pickle that asks for more than tensors.
var errForeign = errors.New("a pickle of weights may not use it, and no code in a pickle is run")

// machine runs one pickle. Values refer into raw, and each opcode adds at most
// one value, so memory stays within a small multiple of the pickle.
type machine struct {
	raw   []byte
	at    int
	stack []any
	memo  map[uint32]any
}

// unpickle runs a pickle (protocols 2 to 5) and returns what it leaves.
func unpickle(raw []byte) (any, error) {
	m := &machine{raw: raw, memo: map[uint32]any{}}
	for {
		start := m.at
		op, err := m.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == '.' {
			return m.pop()
		}
		if err := m.step(op[0]); err != nil {
			return nil, fmt.Errorf("byte %d: %w", start, err)
		}
	}
}

func (m *machine) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		v, err := m.uint(1)
		if err == nil && (v < 2 || v > 5) {
			err = fmt.Errorf("protocol %d is not supported", v)
		}
		return err
	case 0x95: // FRAME
		_, err := m.take(8)
		return err
	case '(':
		return m.push(mark{}, nil)
	case 'N':
		return m.push(nil, nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		return m.push(op == 0x88, nil)
	case 'K':
		v, err := m.uint(1)
		return m.push(int64(v), err)
	case 'M':
		v, err := m.uint(2)
		return m.push(int64(v), err)
	case 'J':
		v, err := m.uint(4)
		return m.push(int64(int32(v)), err)
	case 0x8a: // LONG1
		return m.long()
	case 'G': // BINFLOAT, big-endian
		b, err := m.take(8)
		if err != nil {
			return err
		}
		return m.push(math.Float64frombits(binary.BigEndian.Uint64(b)), nil)
	case 'X':
		return m.text(4)
	case 0x8c: // SHORT_BINUNICODE
		return m.text(1)
	case 0x8d: // BINUNICODE8
		return m.text(8)
	case '}':
		return m.push(&dict{values: map[string]any{}}, nil)
	case ']':
		return m.push(&list{}, nil)
	case ')':
		return m.push(tuple{}, nil)
	case 't':
		items, err := m.popMark()
		return m.push(tuple(items), err)
	case 0x85, 0x86, 0x87: // TUPLE1, TUPLE2, TUPLE3
		items, err := m.popN(int(op - 0x84))
		return m.push(tuple(items), err)
	case 'q', 'r', 0x94: // BINPUT, LONG_BINPUT, MEMOIZE
		return m.put(op)
	case 'h', 'j': // BINGET, LONG_BINGET
		return m.get(op)
	case 'c', 0x93: // GLOBAL, STACK_GLOBAL
		return m.global(op)
	case 'Q': // BINPERSID
		return m.persistent()
	case 'R': // REDUCE
		return m.reduce()
	case 'b': // BUILD: the attributes of an OrderedDict, such as _metadata
		both, err := m.popN(2)
		if err != nil {
			return err
		}
		if _, ok := both[0].(*dict); !ok {
			return fmt.Errorf("BUILD on %T: %w", both[0], errForeign)
		}
		return m.push(both[0], nil)
	case 's', 'u': // SETITEM, SETITEMS
		return m.setItems(op)
	case 'a', 'e': // APPEND, APPENDS
		return m.appendItems(op)
	case '0': // POP
		_, err := m.pop()
		return err
	}
	return fmt.Errorf("opcode %#02x: %w", op, errForeign)
}

func (m *machine) take(n uint64) ([]byte, error) {
	if n > uint64(len(m.raw)-m.at) {
		return nil, fmt.Errorf("truncated at byte %d", len(m.raw))
	}
	b := m.raw[m.at : m.at+int(n)]
	m.at += int(n)
	return b, nil
}

// uint reads a little-endian number of n bytes.
func (m *machine) uint(n int) (uint64, error) {
	b, err := m.take(uint64(n))
	var v uint64
	for i := range b {
		v |= uint64(b[i]) << (8 * i)
	}
	return v, err
}

// long reads a two's complement number of up to eight bytes.
func (m *machine) long() error {
	n, err := m.uint(1)
	if err != nil {
		return err
	}
	if n > 8 {
		return fmt.Errorf("a number of %d bytes is too large", n)
	}
	v, err := m.uint(int(n))
	if err != nil {
		return err
	}
	if n > 0 {
		shift := 64 - 8*n
		return m.push(int64(v<<shift)>>shift, nil)
	}
	return m.push(int64(0), nil)
}

func (m *machine) text(lengthBytes int) error {
	n, err := m.uint(lengthBytes)
	if err != nil {
		return err
	}
	b, err := m.take(n)
	return m.push(string(b), err)
}

func (m *machine) push(v any, err error) error {
	if err == nil {
		m.stack = append(m.stack, v)
	}
	return err
}

func (m *machine) pop() (any, error) {
	v, err := m.popN(1)
	if err != nil {
		return nil, err
	}
	return v[0], nil
}

// popN pops n values, in the order in which they were pushed.
func (m *machine) popN(n int) ([]any, error) {
	if n > len(m.stack) {
		return nil, errors.New("the stack is too short")
	}
	at := len(m.stack) - n
	items := slices.Clone(m.stack[at:])
	m.stack = m.stack[:at]
	return items, nil
}

// popMark pops what was pushed since the last mark, and the mark.
func (m *machine) popMark() ([]any, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, ok := m.stack[i].(mark); ok {
			items := slices.Clone(m.stack[i+1:])
			m.stack = m.stack[:i]
			return items, nil
		}
	}
	return nil, errors.New("there is no mark on the stack")
}

func (m *machine) put(op byte) error {
	key, err := uint64(len(m.memo)), error(nil)
	switch op {
	case 'q':
		key, err = m.uint(1)
	case 'r':
		key, err = m.uint(4)
	}
	if err != nil {
		return err
	}
	if len(m.stack) == 0 {
		return errors.New("the stack is too short")
	}
	m.memo[uint32(key)] = m.stack[len(m.stack)-1]
	return nil
}

func (m *machine) get(op byte) error {
	n := 1
	if op == 'j' {
		n = 4
	}
	key, err := m.uint(n)
	if err != nil {
		return err
	}
	v, ok := m.memo[uint32(key)]
	if !ok {
		return fmt.Errorf("memo %d was never set", key)
	}
	return m.push(v, nil)
}

func (m *machine) global(op byte) error {
	var module, name string
	if op == 'c' {
		for _, part := range []*string{&module, &name} {
			end := slices.Index(m.raw[m.at:], '\n')
			if end < 0 {
				return fmt.Errorf("truncated at byte %d", len(m.raw))
			}
			*part = string(m.raw[m.at : m.at+end])
			m.at += end + 1
		}
	} else {
		both, err := m.popN(2)
		if err != nil {
			return err
		}
		var ok bool
		if module, ok = both[0].(string); ok {
			name, ok = both[1].(string)
		}
		if !ok {
			return errors.New("a global's name is not text")
		}
	}
	g := global(module + "." + name)
	if !allowed(g) {
		return fmt.Errorf("global %q: %w", clip(string(g)), errForeign)
	}
	return m.push(g, nil)
}

// clip keeps a hostile name from filling the screen.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// popItems takes n values, or all since the last mark, off the stack and returns
// them with what lies below, which they go into.
func (m *machine) popItems(n int, marked bool) (items []any, into any, err error) {
	if marked {
		items, err = m.popMark()
	} else {
		items, err = m.popN(n)
	}
	if err == nil && len(m.stack) == 0 {
		err = errors.New("the stack is too short")
	}
	if err != nil {
		return nil, nil, err
	}
	return items, m.stack[len(m.stack)-1], nil
}

func (m *machine) setItems(op byte) error {
	items, into, err := m.popItems(2, op != 's')
	if err != nil {
		return err
	}
	d, ok := into.(*dict)
	if !ok || len(items)%2 != 0 {
		return errors.New("items without a dictionary to put them in")
	}
	for i := 0; i < len(items); i += 2 {
		key, ok := items[i].(string)
		if !ok {
			return fmt.Errorf("a key of type %T where a name belongs", items[i])
		}
		if _, known := d.values[key]; !known {
			d.keys = append(d.keys, key)
		}
		d.values[key] = items[i+1]
	}
	return nil
}

func (m *machine) appendItems(op byte) error {
	items, into, err := m.popItems(1, op != 'a')
	if err != nil {
		return err
	}
	l, ok := into.(*list)
	if !ok {
		return errors.New("items without a list to put them in")
	}
	l.items = append(l.items, items...)
	return nil
}
