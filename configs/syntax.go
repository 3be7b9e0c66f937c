package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// syntaxError gives a parser's error the file's name and the line where the text
// stops being YAML.
func (f *file) syntaxError(err error) error {
	message := err.Error()
	match := yamlLine.FindStringSubmatch(message)
	message = message[len(match[0]):]
	line := f.firstBadLine()
	if n, err := strconv.Atoi(match[1]); line == 0 && err == nil {
		line = n
	}
	text := ""
	if lines := bytes.Split(f.text, []byte("\n")); line > 0 && line <= len(lines) {
		text = string(lines[line-1])
	}
	hint := ""
	if strings.HasPrefix(strings.TrimLeft(text, " "), "\t") {
		hint = "\nhint: indent with spaces, not tabs"
	}
	return fmt.Errorf("%s:%d: not valid YAML (%s): %s%s", f.label, max(line, 1), shorten(strings.TrimSpace(text)), message, hint)
}

// firstBadLine is the line after the longest beginning of the file that parses.
// The parser's own line is often that of the enclosing block, one too small, or
// missing. 0 for a file so large that the search would take long.
func (f *file) firstBadLine() int {
	const most = 16 << 10
	if len(f.text) > most {
		return 0
	}
	for end := len(f.text); end > 0; end = bytes.LastIndexByte(f.text[:end-1], '\n') + 1 {
		if parses(f.text[:end]) {
			return 1 + bytes.Count(f.text[:end], []byte("\n"))
		}
	}
	return 1
}

func parses(text []byte) bool {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		if err := decoder.Decode(&doc); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
