package sentencepiece

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/internal/protowire"
)

func TestParseRefuses(t *testing.T) {
	good := gunzip(t, "testdata/plain.model.gz")
	piece := func(text string, kind Type) []byte {
		var file, message protowire.Message
		message.String(pieceText, text)
		message.Int(pieceType, int64(kind))
		file.Bytes(modelPieces, message)
		return file
	}
	var bpe, kind, fallback, charmap, rules, characters protowire.Message
	kind.Int(trainerKind, 4)
	characters.Bytes(modelTrainer, kind)
	kind = nil
	kind.Int(trainerKind, modelKindBPE)
	bpe.Bytes(modelTrainer, kind)
	kind.Bool(trainerByteFallback, true)
	fallback.Bytes(modelTrainer, kind)
	rules.String(normalizerMap, "abcdefgh")
	charmap.Bytes(modelNormalizer, rules)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":          {nil, "no pieces"},
		"text":           {[]byte("{\"model\": 1}"), "malformed protocol buffer"},
		"cut short":      {good[:len(good)/2], "malformed protocol buffer"},
		"characters":     {slices.Concat(piece("a", Normal), characters), `model_type "char" (4)`},
		"long piece":     {slices.Concat(piece("<unk>", Unknown), piece(strings.Repeat("a", 2000), Normal)), "piece 1 has 2000 bytes, more than 256"},
		"no unknown":     {slices.Concat(piece("a", Normal), bpe), "no piece is unknown"},
		"twice":          {slices.Concat(piece("a", Normal), piece("a", Normal), bpe), `piece "a" is defined twice`},
		"empty piece":    {slices.Concat(piece("", Normal), bpe), "piece 0 is empty"},
		"no byte":        {slices.Concat(piece("<0xZZ>", Byte), bpe), `piece 0: "<0xZZ>" is no byte`},
		"type":           {slices.Concat(piece("a", 9), bpe), `piece 0 ("a") is of unknown type 9`},
		"missing bytes":  {slices.Concat(piece("<unk>", Unknown), fallback), "byte_fallback without a piece for byte 0x00"},
		"broken charmap": {slices.Concat(piece("<unk>", Unknown), bpe, charmap), "broken precompiled_charsmap"},
	} {
		_, err := Parse(c.file)
		if err == nil || !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.model")); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("missing file: %v", err)
	}
}

// joinRows joins the rows of a text with blank lines as the official eval.py does.
func joinRows(raw []byte) string {
	rows := slices.Collect(strings.Lines(string(raw)))
	for i, row := range rows {
		if strings.TrimSpace(row) == "" {
			rows[i] = ""
		}
	}
	return strings.Join(rows, "\n\n")
}

// A long text, as the SentencePiece library encodes it; testdata/long.py made the
// numbers.
func TestLongText(t *testing.T) {
	raw, err := os.ReadFile("testdata/long.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Bytes  int
		Models map[string]struct {
			IDs   int
			CRC32 uint32
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	text := joinRows(gunzip(t, "../../data/testdata/text.txt.gz"))
	if len(text) != golden.Bytes || len(golden.Models) != 7 {
		t.Fatalf("%d bytes of text for %d models, want %d", len(text), len(golden.Models), golden.Bytes)
	}
	for name, want := range golden.Models {
		ids := testModel(t, name).Encode([]byte(text))
		bytes, err := binary.Append(nil, binary.LittleEndian, ids)
		if err != nil {
			t.Fatal(err)
		}
		if len(ids) != want.IDs || crc32.ChecksumIEEE(bytes) != want.CRC32 {
			t.Errorf("%s: %d ids with CRC %d, want %d with %d", name, len(ids), crc32.ChecksumIEEE(bytes), want.IDs, want.CRC32)
		}
	}
}

// The count that the paper's perplexity rests on: the rows of WikiText-2's raw
// test part, joined with blank lines as the official eval.py does.
func TestWikiText2(t *testing.T) {
	m := sharedModel(t)
	path := "../../../shared/data/text/wikitext-2-raw/wiki.test.raw.gz"
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs WikiText-2: %v", err)
	}
	text := joinRows(gunzip(t, path))
	if len(text) != 1296370 {
		t.Fatalf("%d bytes of text, want 1296370", len(text))
	}
	if ids := m.Encode([]byte(text)); len(ids) != 341468 {
		t.Errorf("%d ids, want 341468", len(ids))
	}
}
