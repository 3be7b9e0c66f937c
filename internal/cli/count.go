package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Count is a flag's number of parameters or tokens: 25M, 1.3b, 800k, 5000000. It is at
// least 1; 0 is a flag that was not given.
type Count int64

// countUnits are the letters of thousands, millions and so on.
const countUnits = "kMBT"

// Set reads a count.
func (c *Count) Set(text string) error {
	number, unit := text, 1.0
	if n := len(text); n > 0 {
		if at := strings.IndexByte(strings.ToLower(countUnits), text[n-1]|0x20); at >= 0 {
			number, unit = text[:n-1], math.Pow(1e3, float64(at+1))
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || !(f*unit >= 1 && f*unit <= 1e15) {
		return fmt.Errorf("%q is no count: write 800k, 25M or 1.3B", text)
	}
	*c = Count(math.Round(f * unit))
	return nil
}

// String is the shortest text that [Count.Set] reads as c, empty for none.
func (c *Count) String() string {
	switch {
	case c == nil || *c == 0:
		return ""
	case *c < 1000:
		return strconv.FormatInt(int64(*c), 10)
	}
	value, at := float64(*c)/1e3, 0
	for value >= 1e3 && at < len(countUnits)-1 {
		value, at = value/1e3, at+1
	}
	return strconv.FormatFloat(value, 'f', -1, 64) + countUnits[at:at+1]
}

// Type stands in help for the value.
func (*Count) Type() string { return "count" }
