// Package configs holds the shipped configurations and the strict loader that
// reads them and the user's own into any struct.
//
// A configuration is YAML in sections. [Load] takes a struct that already holds
// the defaults and lays over it, each over the one before: the files that the
// configuration extends, the file itself, sections of a file of another kind
// ([Section]), environment variables, --set options and flags. Each key keeps its
// [Origin], so that a mistake found later can still name file and line.
//
// What comes from the environment or --set is YAML, but text and paths are taken
// whole: data.train=a #1.txt names the file "a #1.txt", and so do quotes around all
// of it. A list, or a mapping that the key understands, is one:
// data.train=[a.txt, {path: b.txt, weight: 2}].
//
// The loader is strict. An unknown or repeated key, a value of the wrong type and
// whatever the struct's own Validate method finds are errors such as
//
//	125m.yaml:7: unknown key "model.layer": did you mean "model.layers"?
//
// yaml.v3's nodes give the lines and viper merges. The keys, their types and their
// help come from the struct's `yaml` and `help` tags; the package knows no section
// by name; package hint tells what a user may have meant.
//
// Embedded ([Names]) are the models of the paper's Table 9 with a recipe for one
// machine (125m.yaml), their layer-sharing variants (125m-ls.yaml), both with the
// paper's recipe of section 3.1 (125m-paper.yaml), and quickstart.yaml.
//
//	run := defaults()
//	resolved, err := configs.Load(&run, configs.Source{
//		Name:      "125m.yaml",
//		Set:       []string{"optim.lr=6e-4"},
//		EnvPrefix: "MOBILELLM",
//	})
package configs
