package arch

import "strings"

// choices lists names as errors do: none, linear or dynamic.
func choices[T ~string](names []T) string {
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
