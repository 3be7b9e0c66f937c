package infer

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mobilellm/engine/cpu"
)

// Each id of a list of those that end a text stops generation, wherever the folder has
// the list.
func TestEachOfEOSListStops(t *testing.T) {
	free := loaded(t)
	o := Options{MaxTokens: 30, Temperature: 1, Seed: 3}
	all := generatedFrom(t, free, o)
	var distinct []int32
	for _, id := range all {
		if !slices.Contains(distinct, id) && len(distinct) < 4 {
			distinct = append(distinct, id)
		}
	}
	for i, id := range distinct {
		list := []int32{2, 7, id}
		if i%2 == 1 {
			list = []int32{id, 2, 7}
		}
		for _, file := range []string{"config.json", "generation_config.json"} {
			m := withEOS(t, file, list)
			got := generatedFrom(t, m, o)
			if want := all[:slices.IndexFunc(all, func(id int32) bool { return slices.Contains(list, id) })]; !slices.Equal(got, want) {
				t.Errorf("%s with %d: %d, want %d", file, list, got, want)
			}
		}
	}
	if len(distinct) < 4 {
		t.Fatalf("only %d were drawn", distinct)
	}
}

func generatedFrom(t *testing.T, m *Model, o Options) (ids []int32) {
	t.Helper()
	if err := m.Generate(context.Background(), []int32{'x'}, o, func(id int32) { ids = append(ids, id) }); err != nil {
		t.Fatal(err)
	}
	return ids
}

// withEOS is the model of [loaded] with other ids that end a text in one file, and none
// in the other.
func withEOS(t *testing.T, file string, list []int32) *Model {
	t.Helper()
	dir := saved(t, filepath.Join(t.TempDir(), "model"), 260)
	for _, name := range []string{"config.json", "generation_config.json"} {
		path := filepath.Join(dir, name)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var config map[string]any
		if err := json.Unmarshal(raw, &config); err != nil {
			t.Fatal(err)
		}
		delete(config, "eos_token_id")
		if name == file {
			config["eos_token_id"] = list
		}
		if raw, err = json.Marshal(config); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dev := cpu.New(cpu.Options{Workers: 2})
	t.Cleanup(dev.Close)
	m, err := Load(dir, dev, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}
