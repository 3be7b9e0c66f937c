package hint

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
)

// Kind is what is wanted of a place.
type Kind int

// What may be named where a hub's name or an address stands.
const (
	Model Kind = iota
	Data
)

var (
	scheme = regexp.MustCompile(`^([a-z][a-z0-9+.-]*)://`)
	// hubName is ORGANISATION/NAME, as the Hugging Face hub calls models and data sets.
	hubName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9][A-Za-z0-9._-]*$`)
	hubURL  = regexp.MustCompile(`^(?:https?://(?:www\.)?(?:huggingface\.co|hf\.co)/|hf://)(datasets/)?([^/?#]+/[^/?#]+)`)
)

// extensions of names that are those of files, whatever stands before them.
const extensions = ".txt.text.md.csv.json.jsonl.parquet.gz.bz2.zst.gguf.safetensors.bin.model.yaml.yml.pt.pth.tok"

// Remote says of what is an address or a name on a hub, not a path, that files are
// wanted and how to get them; it is empty for what may be a path. A hub's name is one
// only where nothing of that name is here, nor the folder that it would lie in.
func Remote(name string, kind Kind) string {
	if m := hubURL.FindStringSubmatch(name); m != nil {
		if m[1] != "" {
			kind = Data
		}
		return wanted(name, download(m[2], kind))
	}
	if m := scheme.FindStringSubmatch(name); m != nil {
		switch m[1] {
		case "http", "https", "ftp":
			return wanted(name, "curl -LO "+name)
		case "s3":
			return wanted(name, "aws s3 cp --recursive "+name+" "+path.Base(name))
		case "gs":
			return wanted(name, "gcloud storage cp -r "+name+" .")
		case "file":
			return wanted(name, "it is "+strings.TrimPrefix(name, "file://"))
		}
		return wanted(name, "copy them to this machine")
	}
	ext := path.Ext(name)
	if !hubName.MatchString(name) || ext != "" && strings.Contains(extensions+".", ext+".") {
		return ""
	}
	for _, at := range []string{name, path.Dir(name)} {
		if _, err := os.Lstat(at); err == nil {
			return ""
		}
	}
	return wanted(name, download(name, kind))
}

func wanted(name, how string) string {
	return fmt.Sprintf("%s is not here: files are wanted, and nothing is fetched\nhint: %s", name, how)
}

// download is the command of huggingface_hub that fetches a model or a data set.
func download(name string, kind Kind) string {
	of := ""
	if kind == Data {
		of = "--repo-type dataset "
	}
	return fmt.Sprintf("hf download %s%s --local-dir %s, then name that folder", of, name, path.Base(name))
}
