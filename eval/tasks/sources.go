package tasks

import (
	"path"
	"strings"

	"mobilellm/eval"
)

// hub is a split of a data set on Hugging Face's hub, in the folder of a download by any
// name that it gets, or in the hub's cache. An empty config is that of a data set which has
// one alone. split is one of parquet files; examples is the training split beside it,
// empty for none.
func hub(repo, config, split, examples string) eval.Source {
	_, name := path.Split(repo)
	s := eval.Source{URL: "https://huggingface.co/datasets/" + repo}
	folders := []string{config}
	if config == "" {
		folders = []string{"data", "default", "plain_text", ""}
	}
	for _, root := range []string{
		repo, name, "datasets--" + strings.ReplaceAll(repo, "/", "--") + "/snapshots/*",
	} {
		for _, folder := range folders {
			s.Names = append(s.Names, path.Join(root, folder, split+"-*.parquet"), path.Join(root, folder, split+".parquet"))
		}
	}
	if examples != "" {
		s.Examples = examples + "-*.parquet"
	}
	return s
}
