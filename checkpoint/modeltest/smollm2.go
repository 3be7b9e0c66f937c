package modeltest

import (
	"fmt"
	"os"
	"path/filepath"
)

// SmolLM2 is the path of the GGUF file of SmolLM2-135M-Instruct that interop/smollm2.sh
// keeps in the user's cache folder, and of the Hugging Face folder that gguf-py and
// transformers made of it; an error where they are not there.
func SmolLM2() (file, folder string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", "", err
	}
	root := filepath.Join(cache, "mobilellm", "smollm2")
	file, folder = filepath.Join(root, "smollm2.gguf"), filepath.Join(root, "0.1.2")
	for _, path := range []string{file, folder} {
		if _, err := os.Stat(path); err != nil {
			return "", "", fmt.Errorf("SmolLM2-135M is not there (interop/smollm2.sh fetches it): %w", err)
		}
	}
	return file, folder, nil
}
