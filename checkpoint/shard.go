package checkpoint

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/regular"
)

// The file names of PyTorch's older format, which are read only.
const (
	torchWeightsFile = "pytorch_model.bin"
	torchIndexFile   = "pytorch_model.bin.index.json"
)

// maxIndex bounds an index file: a name and a shard for each tensor.
const maxIndex = 64 << 20

// shardBytes is the size of weights above which they are split over files, the
// limit of Hugging Face's tools.
const shardBytes = 5e9

// shardIndex is model.safetensors.index.json.
type shardIndex struct {
	Metadata struct {
		TotalSize int64 `json:"total_size"` // of the tensors, in bytes
	} `json:"metadata"`
	WeightMap map[string]string `json:"weight_map"` // tensor to file
}

// openShards opens every file that an index names. Each tensor must lie where
// the index says.
func openShards(dir, path string) (tensorFiles, error) {
	info, err := os.Stat(path)
	if err != nil {
		return tensorFiles{}, err
	}
	if info.Size() > maxIndex {
		return tensorFiles{}, fmt.Errorf("%s: %d bytes are more than an index of %d", path, info.Size(), maxIndex)
	}
	raw, err := regular.ReadFile(path)
	if err != nil {
		return tensorFiles{}, err
	}
	var index shardIndex
	if err := json.Unmarshal(raw, &index); err != nil {
		return tensorFiles{}, fmt.Errorf("%s: %w", path, err)
	}
	var shards []string
	for _, name := range index.WeightMap {
		if filepath.Base(name) != name || !filepath.IsLocal(name) {
			return tensorFiles{}, fmt.Errorf("%s: shard %q is not a file beside it", path, name)
		}
		shards = append(shards, filepath.Join(dir, name))
	}
	slices.Sort(shards)
	return openTensors(path, slices.Compact(shards)...)
}

// writeWeights writes the weights to model.safetensors or, where they take more
// than limit bytes, to shards of at most that with an index. A tensor larger
// than limit has a shard of its own.
func (d *folder) writeWeights(weights []safetensors.Tensor, limit int64) error {
	if limit <= 0 {
		limit = shardBytes
	}
	shards := [][]safetensors.Tensor{nil}
	var total, size int64
	for _, w := range weights {
		bytes := int64(w.Elements()) * w.DType.Size()
		last := len(shards) - 1
		if size+bytes > limit && len(shards[last]) > 0 {
			shards = append(shards, nil)
			last, size = last+1, 0
		}
		shards[last] = append(shards[last], w)
		size += bytes
		total += bytes
	}
	if len(shards) == 1 {
		return d.writeTensors(WeightsFile, shards[0], nil)
	}
	index := shardIndex{WeightMap: map[string]string{}}
	index.Metadata.TotalSize = total
	for i, shard := range shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		for _, w := range shard {
			index.WeightMap[w.Name] = name
		}
		if err := d.writeTensors(name, shard, nil); err != nil {
			return err
		}
	}
	raw, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	return d.writeBytes(IndexFile, append(raw, '\n'))
}

func (d *folder) writeTensors(name string, tensors []safetensors.Tensor, metadata map[string]string) error {
	return d.write(name, func(w io.Writer) error { return safetensors.Write(w, tensors, metadata) })
}
