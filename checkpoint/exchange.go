package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
)

// exchangeInSteps puts folder a in the place of b, and b in that of a. A crash
// between its renames leaves no b.
func exchangeInSteps(a, b string) error {
	aside := filepath.Join(filepath.Dir(a), tmpPrefix+"old-"+filepath.Base(b))
	if err := os.Rename(b, aside); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return errors.Join(err, os.Rename(aside, b))
	}
	return os.Rename(aside, a)
}
