package paper

import (
	"math"
	"slices"
	"testing"
)

// The paper prints the mean of the eight tasks, to 0.1, but for two rows of Table 13.
func TestAverages(t *testing.T) {
	off := map[string]float64{"350M 16 heads 2 kv": 47.5875, "350M 8 heads 1 kv": 47.7375}
	for number, rows := range map[int]int{3: 17, 8: 26, 10: 16, 11: 19, 13: 30, 15: 8} {
		table := Table(number)
		if len(table) != rows {
			t.Errorf("table %d has %d rows, want %d", number, len(table), rows)
		}
		for _, m := range table {
			mean := 0.0
			for _, task := range ZeroShot {
				score, ok := m.Scores[task]
				if !ok {
					t.Errorf("table %d, %s: no %s", number, m.Name, task)
				}
				mean += score / 8
			}
			if want, ok := off[m.Name]; ok && number == 13 {
				if math.Abs(mean-want) > 1e-9 || math.Abs(mean-m.Average) < 0.0501 {
					t.Errorf("table 13, %s: the mean is %.4f, the table says %.1f", m.Name, mean, m.Average)
				}
				continue
			}
			if math.Abs(mean-m.Average) > 0.0501 {
				t.Errorf("table %d, %s: the mean is %.4f, the table says %.1f", number, m.Name, mean, m.Average)
			}
		}
	}
}

// Where two tables have a model, they have the same numbers of it.
func TestSameModels(t *testing.T) {
	known := map[string]Model{}
	for _, m := range Table(3) {
		known[m.Name] = m
	}
	same := 0
	compare := func(a, b Model) {
		t.Helper()
		same++
		for _, task := range ZeroShot {
			if a.Scores[task] != b.Scores[task] {
				t.Errorf("%s: %s is %g in table %d and %g in table %d", a.Name, task, a.Scores[task], a.Table, b.Scores[task], b.Table)
			}
		}
	}
	for _, m := range Table(8) {
		if other, ok := known[m.Name]; ok {
			compare(other, m)
		}
	}
	of := map[string]string{
		"grouped-query attention 1T": "MobileLLM-125M", "layer sharing 1T": "MobileLLM-LS-125M",
		"350M grouped-query attention 1T": "MobileLLM-350M", "350M layer sharing 1T": "MobileLLM-LS-350M", "baseline": "OPT-125M",
	}
	for _, m := range Table(10) {
		if name, ok := of[m.Name]; ok {
			compare(known[name], m)
		}
	}
	if same != 7 {
		t.Errorf("%d models are in two tables, want 7", same)
	}
}

func TestReading(t *testing.T) {
	for number, rows := range map[int]int{4: 13, 12: 19} {
		table := Table(number)
		if len(table) != rows {
			t.Errorf("table %d has %d rows, want %d", number, len(table), rows)
		}
		for _, m := range table {
			for _, task := range Reading {
				if score := m.Scores[task]; score <= 0 || score > 50 {
					t.Errorf("table %d, %s: %s is %g", number, m.Name, task, score)
				}
			}
		}
	}
}

func TestShapes(t *testing.T) {
	for _, m := range slices.Concat(Table(11), Table(12), Table(13)) {
		if m.Layers == 0 || m.Heads == 0 || m.Parameters == 0 || m.Group == "" || m.Table == 13 && m.KVHeads == 0 {
			t.Errorf("table %d, %s: %+v", m.Table, m.Name, m)
		}
	}
	if m := Table(3)[7]; m.Name != "MobileLLM-125M" || m.Layers != 30 || m.Parameters != 125 || m.Average != 46.3 {
		t.Errorf("%+v", m)
	}
}

// Chat and API calling, as the paper's text has them.
func TestDownstream(t *testing.T) {
	for number, want := range map[int]int{5: 14, 6: 5} {
		if n := len(Table(number)); n != want {
			t.Errorf("table %d has %d rows, want %d", number, n, want)
		}
	}
	row := func(number int, name string) Model {
		rows := Table(number)
		return rows[slices.IndexFunc(rows, func(m Model) bool { return m.Name == name })]
	}
	if m := row(5, "MobileLLM-LS-350M"); m.Scores["mt_bench"] != 3.16 || m.Scores["alpaca_eval"] != 48.2 {
		t.Errorf("%+v", m)
	}
	m := row(6, "MobileLLM-350M")
	for i, want := range []float64{65.3, 48.8, 46.8, 44.6} {
		if m.Scores[Calling[i]] != want || CallingTitles[Calling[i]] == "" {
			t.Errorf("%s: %g, want %g", Calling[i], m.Scores[Calling[i]], want)
		}
	}
}
