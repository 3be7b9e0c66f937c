// Package choices lists the names that a key takes, for errors.
package choices

import "strings"

// Of lists names: none, linear or dynamic.
func Of[T ~string](names []T) string {
	var s strings.Builder
	for i, name := range names {
		switch {
		case i > 0 && i == len(names)-1:
			s.WriteString(" or ")
		case i > 0:
			s.WriteString(", ")
		}
		s.WriteString(string(name))
	}
	return s.String()
}
