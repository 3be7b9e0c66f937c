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
	"slices"
	"strings"
	"sync"

	"mobilellm/engine/cuda/kernels"
)

// ErrNoCompiler says that this machine has no C++ compiler.
var ErrNoCompiler = errors.New("no C++ compiler here: neither $CXX, g++ nor clang++ is a program")

//go:embed machine
var machineSources embed.FS

//go:embed library
var librarySources embed.FS

// flags let the compiler trap where an address is not aligned as its type wants.
var flags = []string{
	"-std=c++17", "-O2", "-DEMULATOR", "-Wall", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-function",
	"-fno-strict-aliasing", "-ffp-contract=off", "-fsanitize=alignment", "-fsanitize-undefined-trap-on-error",
}

// target is what is made of sources.
type target struct {
	folders []fs.FS
	units   []string // to compile, as patterns
	flags   []string
	link    []string
}

// program is the machine: its own sources and the kernels'.
func program() target {
	own, err := fs.Sub(machineSources, "machine")
	if err != nil {
		panic(err) // the name is not a path
	}
	return target{folders: []fs.FS{own, kernels.Sources}, units: []string{"*.cpp", "*.cu"}, flags: flags}
}

// Library compiles a stand-in for NVIDIA's libraries and returns its file:
// libcuda.so.1, with the functions of libcuda and of cublasLt that package driver
// calls, on an emulated GPU within the process that opens it. headers is the folder
// of cuda.h and cublasLt.h. Without a C++ compiler the error is ErrNoCompiler.
func Library(headers string) (file string, err error) {
	m := program()
	m.folders = append(m.folders, librarySources)
	m.units = append(m.units, "library/*.cpp")
	m.flags = append(slices.Clone(flags), "-fPIC", "-idirafter", headers)
	m.link = []string{"-shared", "-Wl,-soname,libcuda.so.1"}
	folder, err := m.build("libcuda.so.1")
	return filepath.Join(folder, "libcuda.so.1"), err
}

// build compiles to a file of that name, when the sources, the flags or the compiler
// have changed, and returns the folder in the user's cache in which it lies.
func (m target) build(name string) (folder string, err error) {
	compiler, err := findCompiler()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	id, err := m.identity(compiler)
	if err != nil {
		return "", err
	}
	folder = filepath.Join(cache, "mobilellm", "emulator", id)
	if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("emulator: %w", err)
	}
	work, err := os.MkdirTemp(folder, "build-")
	if err != nil {
		return "", fmt.Errorf("emulator: %w", err)
	}
	defer os.RemoveAll(work)
	made := filepath.Join(work, name)
	if err := m.compile(compiler, work, made); err != nil {
		return "", err
	}
	if err := os.Rename(made, filepath.Join(folder, name)); err != nil {
		return "", fmt.Errorf("emulator: %w", err)
	}
	return folder, nil
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

// identity hashes all that the result is made of.
func (m target) identity(compiler string) (string, error) {
	version, err := exec.Command(compiler, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("emulator: %s --version: %w", compiler, err)
	}
	h := sha256.New()
	fmt.Fprintln(h, compiler, string(version), m.flags, m.link)
	for _, folder := range m.folders {
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
func (m target) compile(compiler, work, made string) error {
	var units []string
	for _, folder := range m.folders {
		if err := os.CopyFS(work, folder); err != nil {
			return fmt.Errorf("emulator: %w", err)
		}
		for _, pattern := range m.units {
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
	link := append(slices.Clone(m.link), "-o", made)
	for i, unit := range units {
		link = append(link, unit+".o")
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			failures[i] = tool(work, compiler, append(slices.Clone(m.flags), "-x", "c++", "-c", unit, "-o", unit+".o")...)
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
