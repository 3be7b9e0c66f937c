package prepare

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mobilellm/data/ingest"
)

// AllTasks stands for every benchmark of a folder.
const AllTasks = "all"

// otherNames are what benchmarks are called beside their folder's usual name: by
// the paper's tables and by lm-evaluation-harness.
var otherNames = map[string]string{
	"arc_e": "arc_easy", "arc_c": "arc_challenge", "social_iqa": "siqa", "obqa": "openbookqa", "tqa": "triviaqa",
}

// FindTasks finds the files of benchmark sets. A set is a path or glob, which
// comes back as it is, or the name of a folder in dir that holds one file for
// each split (DIR/arc_easy/test.jsonl.gz), of which those whose name begins with
// "train" are left out: a model may have seen what it is not asked. [AllTasks]
// stands for all of dir. Case does not matter in names, nor - for _.
func FindTasks(sets []string, dir string) (paths []string, err error) {
	for _, set := range sets {
		if _, err := os.Stat(set); err == nil || strings.ContainsAny(set, `*?[/\`) {
			paths = append(paths, set)
			continue
		}
		if dir == "" {
			return nil, fmt.Errorf("benchmark set %s does not exist\nhint: to go by names, say with --tasks-dir where the benchmarks' folders are", ingest.Clean(set))
		}
		known, err := listTasks(dir)
		if err != nil {
			return nil, err
		}
		at := func(name string) bool { return canonical(name) == canonical(set) }
		chosen := known
		if set != AllTasks {
			i := slices.IndexFunc(known, at)
			if i < 0 {
				return nil, fmt.Errorf("benchmark %q is neither a path nor a folder of %s\nhint: there are %s, and %s", set, ingest.Clean(dir), ingest.Clean(strings.Join(known, ", ")), AllTasks)
			}
			chosen = known[i : i+1]
		}
		for _, name := range chosen {
			files, err := splits(filepath.Join(dir, name))
			if err != nil {
				return nil, err
			}
			paths = append(paths, files...)
		}
	}
	return paths, nil
}

func canonical(name string) string {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	if usual, ok := otherNames[name]; ok {
		return usual
	}
	return name
}

// listTasks names the folders of dir in order.
func listTasks(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("folder of benchmarks: %w", err)
	}
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && info.IsDir() && e.Name()[0] != '.' {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("folder %s holds no benchmark: each is a folder in it", ingest.Clean(dir))
	}
	return names, nil
}

// splits lists a benchmark's files but those to train on.
func splits(dir string) ([]string, error) {
	files, err := ingest.Files(dir)
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(path string) bool { return strings.HasPrefix(filepath.Base(path), "train") })
	if len(files) == 0 {
		return nil, errors.New("benchmark " + dir + " holds no split but that to train on")
	}
	return files, nil
}
