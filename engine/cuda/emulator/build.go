package emulator

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"mobilellm/engine/cuda/kernels"
)

// ErrNoCompiler says that this machine has no C++ compiler.
var ErrNoCompiler = errors.New("no C++ compiler here: neither $CXX, g++ nor clang++ is a program")

//go:embed machine
var sources embed.FS

// flags let the compiler trap where an address is not aligned as its type wants.
var flags = []string{
	"-std=c++17", "-O2", "-DEMULATOR", "-Wall", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-function",
	"-fno-strict-aliasing", "-ffp-contract=off", "-fsanitize=alignment", "-fsanitize-undefined-trap-on-error",
}

// build returns the emulator's program. It is compiled when the sources, the flags
// or the compiler change, and kept in the user's cache.
func build() (program string, err error) {
	compiler, err := findCompiler()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	id, err := identity(compiler)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "mobilellm", "emulator")
	program = filepath.Join(folder, id)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("emulator: %w", err)
	}
	work, err := os.MkdirTemp(folder, "build-")
	if err != nil {
		return "", fmt.Errorf("emulator: %w", err)
	}
	defer os.RemoveAll(work)
	made := filepath.Join(work, "emulator")
	if err := compile(compiler, work, made); err != nil {
		return "", err
	}
	if err := os.Rename(made, program); err != nil {
		return "", fmt.Errorf("emulator: %w", err)
	}
	return program, nil
}

func findCompiler() (string, error) {
	for _, name := range []string{os.Getenv("CXX"), "g++", "clang++"} {
		if name == "" {
			continue
		}
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoCompiler
}

// folders are the emulator's sources: its own and the kernels'.
func folders() []fs.FS {
	own, err := fs.Sub(sources, "machine")
	if err != nil {
		panic(err) // the name is not a path
	}
	return []fs.FS{own, kernels.Sources}
}

// identity hashes all that the program is made of.
func identity(compiler string) (string, error) {
	version, err := exec.Command(compiler, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("emulator: %s --version: %w", compiler, err)
	}
	h := sha256.New()
	fmt.Fprintln(h, compiler, string(version), flags)
	for _, folder := range folders() {
		err := fs.WalkDir(folder, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(folder, path)
			fmt.Fprintln(h, path, len(text))
			h.Write(text)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("emulator: %w", err)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

// compile builds each source by itself, as many at a time as there are processors.
func compile(compiler, work, program string) error {
	var units []string
	for _, folder := range folders() {
		if err := os.CopyFS(work, folder); err != nil {
			return fmt.Errorf("emulator: %w", err)
		}
		for _, pattern := range []string{"*.cpp", "*.cu"} {
			names, err := fs.Glob(folder, pattern)
			if err != nil {
				return fmt.Errorf("emulator: %w", err)
			}
			units = append(units, names...)
		}
	}
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	failures := make([]error, len(units))
	link := []string{"-o", program}
	for i, unit := range units {
		link = append(link, unit+".o")
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			failures[i] = tool(work, compiler, append(flags[:len(flags):len(flags)], "-I.", "-x", "c++", "-c", unit, "-o", unit+".o")...)
		})
	}
	wait.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	return tool(work, compiler, link...)
}

func tool(folder, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("emulator: %s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
