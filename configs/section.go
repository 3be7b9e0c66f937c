package configs

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Section is a mapping of sections and keys, as a config holds them, that stands in
// a file of another kind, such as a member of a sweep. Mistakes in it name that
// file and the line.
type Section struct {
	File string // how messages name the file
	Node *yaml.Node
}

// readSections parses sections like files of which each extends the one before.
func (s *schema) readSections(sections []Section) ([]*document, error) {
	var list []*document
	var errs []error
	for i, section := range sections {
		doc, err := s.parseSection(section, i+1)
		errs = append(errs, err)
		if doc != nil {
			list = append(list, doc)
		}
	}
	return list, errors.Join(errs...)
}

func (s *schema) parseSection(section Section, depth int) (*document, error) {
	origin := Origin{Kind: FromFile, Name: section.File, depth: depth}
	node := target(section.Node)
	if node.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: %s must be sections of keys", origin.at(node.Line), show(node))
	}
	w := &walker{schema: s, origin: origin}
	w.section(s.root, node, node.Line)
	w.check()
	return &document{file: &file{label: section.File}, settings: w.settings}, errors.Join(w.errs...)
}
