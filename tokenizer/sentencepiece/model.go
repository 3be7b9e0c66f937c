package sentencepiece

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"mobilellm/internal/regular"
	"mobilellm/tokenizer/internal/merge"
	"mobilellm/tokenizer/internal/unigram"
)

// ErrFormat marks a file that is no SentencePiece model of a kind that is known here.
var ErrFormat = errors.New("not a SentencePiece BPE or unigram model")

// Model is a vocabulary with its rules. It is safe for concurrent use.
type Model struct {
	file []byte
	spec *spec

	normalizer   *normalizer
	denormalizer *normalizer // nil for none
	user         *matcher    // user-defined pieces, found before all merging
	named        *matcher    // control pieces and the unknown one, whose names stand for them where asked

	ids     map[string]int32 // normal, user-defined and unused pieces
	special map[string]int32 // the others
	unk     int32
	bytes   [256]int32 // by byte; -1 for a byte without a piece

	symbols symbolTable
	rules   merge.Table
	joints  merge.Joints
	unused  bool // some piece is Unused

	unigram *unigram.Model // nil for BPE

	cache *merge.Cache

	cutOnce    sync.Once
	cutAllowed bool
}

// Open reads a model's file.
func Open(path string) (*Model, error) {
	file, err := regular.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("tokenizer %s does not exist", path)
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	m, err := Parse(file)
	if err != nil {
		return nil, fmt.Errorf("tokenizer %s: %w", path, err)
	}
	return m, nil
}

// Parse reads a model from the bytes of its file, which it keeps.
func Parse(file []byte) (*Model, error) {
	s, err := parseSpec(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(s.pieces) == 0 {
		return nil, fmt.Errorf("%w: no pieces", ErrFormat)
	}
	if s.kind != modelKindBPE && s.kind != modelKindUnigram {
		return nil, fmt.Errorf("%w: model_type %q (%d), want \"bpe\" or \"unigram\"", ErrFormat, modelKinds[s.kind], s.kind)
	}
	m := &Model{file: file, spec: s, cache: merge.NewCache()}
	if err := m.index(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if m.normalizer, err = newNormalizer(s.normalizer, m.user); err != nil {
		return nil, fmt.Errorf("%w: normalizer_spec: %w", ErrFormat, err)
	}
	if len(s.denormalizing.CharsMap) > 0 {
		if m.denormalizer, err = newNormalizer(s.denormalizing, nil); err != nil {
			return nil, fmt.Errorf("%w: denormalizer_spec: %w", ErrFormat, err)
		}
	}
	if s.kind == modelKindBPE {
		m.prepareMerging()
	} else if err := m.prepareUnigram(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return m, nil
}

// index fills the maps from text to id.
func (m *Model) index() error {
	m.ids = make(map[string]int32, len(m.spec.pieces))
	m.special = make(map[string]int32)
	m.unk = -1
	for b := range m.bytes {
		m.bytes[b] = -1
	}
	var user []string
	for i, p := range m.spec.pieces {
		id := int32(i)
		if p.Text == "" {
			return fmt.Errorf("piece %d is empty", i)
		}
		into := m.special
		switch p.Type {
		case Normal, UserDefined, Unused:
			into = m.ids
			if p.Type == UserDefined {
				user = append(user, p.Text)
			}
			m.unused = m.unused || p.Type == Unused
		case Unknown:
			if m.unk >= 0 {
				return fmt.Errorf("pieces %d and %d are both unknown", m.unk, i)
			}
			m.unk = id
		case Byte:
			b, ok := ByteOf(p.Text)
			if !ok {
				return fmt.Errorf("piece %d: %q is no byte", i, p.Text)
			}
			m.bytes[b] = id
		case Control:
		default:
			return fmt.Errorf("piece %d (%q) is of unknown type %d", i, p.Text, p.Type)
		}
		if _, twice := into[p.Text]; twice {
			return fmt.Errorf("piece %q is defined twice", p.Text)
		}
		into[p.Text] = id
	}
	if m.unk < 0 {
		return errors.New("no piece is unknown")
	}
	if m.spec.byteFallback {
		for b, id := range m.bytes {
			if id < 0 {
				return fmt.Errorf("byte_fallback without a piece for byte %#02x", b)
			}
		}
	}
	m.user = newMatcher(user)
	m.named = newMatcher(slices.Collect(maps.Keys(m.controls())))
	return nil
}

// controls are the pieces that no text gives by itself, bytes aside, by name.
func (m *Model) controls() map[string]int32 {
	all := make(map[string]int32)
	for text, id := range m.special {
		if m.spec.pieces[id].Type != Byte {
			all[text] = id
		}
	}
	return all
}

// ByteOf reads a byte piece's name, like <0x0A>.
func ByteOf(name string) (byte, bool) {
	if len(name) != 6 || name[:3] != "<0x" || name[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(name[3:5], 16, 8)
	return byte(b), err == nil && strings.ToUpper(name[3:5]) == name[3:5]
}

// Size is the number of pieces.
func (m *Model) Size() int { return len(m.spec.pieces) }

// Piece is the piece of an id from 0 to Size-1.
func (m *Model) Piece(id int32) Piece { return m.spec.pieces[id] }

// ID finds a piece of any type by its text.
func (m *Model) ID(text string) (int32, bool) {
	if id, ok := m.special[text]; ok {
		return id, true
	}
	id, ok := m.ids[text]
	return id, ok
}

// Unknown is the id of what has no piece.
func (m *Model) Unknown() int32 { return m.unk }

// BOS is the id of the piece that opens a text, if the model has one.
func (m *Model) BOS() (int32, bool) { return m.control(m.spec.bosPiece) }

// EOS is the id of the piece that ends a text, if the model has one.
func (m *Model) EOS() (int32, bool) { return m.control(m.spec.eosPiece) }

func (m *Model) control(text string) (int32, bool) {
	id, ok := m.special[text]
	return id, ok && m.spec.pieces[id].Type == Control
}

// Normalizer says how the model changes text.
func (m *Model) Normalizer() Normalizer { return m.spec.normalizer }

// File is the bytes that the model was read from; the caller leaves them as
// they are.
func (m *Model) File() []byte { return m.file }

// isBlank says whether r is written as U+2581 in pieces.
func (m *Model) isBlank(r rune) bool {
	return r == blankRune || r == ' ' && m.spec.normalizer.EscapeBlanks
}

// fold maps a character of normal text to that of pieces.
func (m *Model) fold(r rune) rune {
	if m.isBlank(r) {
		return blankRune
	}
	return r
}

// prepareMerging makes a table of all pairs of symbols whose texts join to a
// piece, ranked by the piece's score: equal scores have equal ranks.
func (m *Model) prepareMerging() {
	m.symbols = newSymbolTable(m)
	ranks := scoreRanks(m.spec.pieces)
	rules := make([]merge.Rule, 0, 2*len(m.spec.pieces)) // LLaMA has 1.9 to a piece
	for i, p := range m.spec.pieces {
		if !p.Type.merges() {
			continue
		}
		for cut := range p.Text {
			if cut == 0 {
				continue
			}
			left, ok := m.symbolOf(p.Text[:cut])
			if !ok {
				continue
			}
			if right, ok := m.symbolOf(p.Text[cut:]); ok {
				rules = append(rules, merge.Rule{Pair: merge.Key(left, right), Rank: ranks[i], Joined: int32(i)})
			}
		}
		m.joints.Add(p.Text)
	}
	m.rules = merge.NewTable(rules)
}

// symbolOf is the symbol of a piece or of a single character.
func (m *Model) symbolOf(text string) (int32, bool) {
	if id, ok := m.ids[text]; ok {
		return id, true
	}
	r, width := utf8.DecodeRuneInString(text)
	if width == len(text) {
		return m.symbols.of(r), true
	}
	return 0, false
}
