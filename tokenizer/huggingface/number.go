package huggingface

import (
	"math"
	"strconv"
	"strings"
)

// libraryNumber is a number as the library reads it from JSON: its digits as one integer,
// times or by a power of ten. That may be off by the last bit, which tells equally likely
// ways to cut a text apart. exact stands for numbers that are not written so.
func libraryNumber(text string, exact float64) float64 {
	text, negative := strings.CutPrefix(text, "-")
	mantissa, power, _ := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	exponent := 0
	if power != "" {
		n, err := strconv.Atoi(power)
		if err != nil {
			return exact
		}
		exponent = n
	}
	significand := uint64(0)
	digits := whole + fraction
	for i := range len(digits) {
		digit := uint64(digits[i] - '0')
		if significand > (math.MaxUint64-digit)/10 {
			exponent += max(len(whole)-i, 0) // what is left is not looked at
			break
		}
		significand = 10*significand + digit
		if i >= len(whole) {
			exponent--
		}
	}
	if significand == 0 || exponent < -300 || exponent > 300 {
		return exact
	}
	value := float64(significand)
	if ten := math.Pow10(max(exponent, -exponent)); exponent < 0 {
		value /= ten
	} else {
		value *= ten
	}
	if negative {
		value = -value
	}
	return value
}
