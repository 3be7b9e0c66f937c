// Package paper has the numbers of the paper's tables (Liu et al., MobileLLM, ICML 2024)
// that a model can be set beside: Tables 3 to 6, 8 and 15 are files here, Tables 10 to 13 those
// of package experiments.
//
// Columns are named by their tasks, in the order of the paper: ARC-e, ARC-c, BoolQ, PIQA,
// SIQA, HellaSwag, OBQA, WinoGrande.
package paper

import (
	"embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"sync"

	"go.yaml.in/yaml/v3"

	"mobilellm/experiments"
)

// ZeroShot are the tasks of the average, in the order of the paper's columns.
var ZeroShot = []string{"arc_easy", "arc_challenge", "boolq", "piqa", "social_iqa", "hellaswag", "openbookqa", "winogrande"}

// Reading are the tasks of Tables 4 and 12, in the order of their columns: TriviaQA by
// F1, RACE by accuracy.
var Reading = []string{"triviaqa_1shot", "triviaqa_5shot", "triviaqa_64shot", "race_middle", "race_high"}

// Titles are the columns' names in the paper, by task.
var Titles = map[string]string{
	"arc_easy": "ARC-e", "arc_challenge": "ARC-c", "boolq": "BoolQ", "piqa": "PIQA", "social_iqa": "SIQA", "hellaswag": "HellaSwag", "openbookqa": "OBQA", "winogrande": "WinoGrande",
	"triviaqa_1shot": "TQA 1-shot", "triviaqa_5shot": "TQA 5-shot", "triviaqa_64shot": "TQA 64-shot", "race_middle": "RACE middle", "race_high": "RACE high",
}

// Calling are the measures of Table 6, API calling, in the order of its columns.
var Calling = []string{"em_intent", "em_structure", "rouge1", "rougeL"}

// CallingTitles are those columns' names in the paper.
var CallingTitles = map[string]string{"em_intent": "EM intent", "em_structure": "EM structure", "rouge1": "R1", "rougeL": "RL"}

// Model is a row of a table. What the table does not print is 0.
type Model struct {
	Table      int
	Name       string // empty where the text of Table 4 lacks it
	Group      string // Tables 10 to 13: 125M or 350M
	Layers     int    // with weights of their own
	Heads      int    // Tables 11 to 13
	KVHeads    int    // Table 13
	Parameters float64
	Scores     map[string]float64 // per cent, by task; Table 6 by measure, MT-Bench from 1 to 10
	Average    float64            // per cent, as printed
}

//go:embed table3.csv table4.csv table5.csv table6.csv table8.csv table15.csv
var files embed.FS

// Table returns the rows of a table: 3, 4, 5, 6, 8, 10, 11, 12, 13 or 15.
func Table(number int) []Model {
	mutex.Lock()
	defer mutex.Unlock()
	rows, ok := read[number]
	if !ok {
		var err error
		switch number {
		case 3, 4, 5, 6, 8, 15:
			rows, err = fromCSV(number)
		default:
			rows, err = fromExperiment(number)
		}
		if err != nil {
			panic(fmt.Sprintf("paper: table %d: %v", number, err))
		}
		read[number] = rows
	}
	return rows
}

var (
	mutex sync.Mutex
	read  = map[int][]Model{}
)

func fromCSV(number int) ([]Model, error) {
	file, err := files.Open(fmt.Sprintf("table%d.csv", number))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows []Model
	for _, line := range lines[1:] {
		m := Model{Table: number, Name: line[0], Scores: map[string]float64{}}
		for i, column := range lines[0][1:] {
			value, err := strconv.ParseFloat(line[i+1], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", m.Name, column, err)
			}
			m.set(column, value)
		}
		rows = append(rows, m)
	}
	return rows, nil
}

// names are what the experiments call tasks otherwise.
var names = map[string]string{
	"siqa": "social_iqa", "obqa": "openbookqa",
	"tqa_1_shot": "triviaqa_1shot", "tqa_5_shot": "triviaqa_5shot", "tqa_64_shot": "triviaqa_64shot",
}

func (m *Model) set(column string, value float64) {
	switch column {
	case "layers":
		m.Layers = int(value)
	case "parameters":
		m.Parameters = value
	case "average":
		m.Average = value
	default:
		if task, ok := names[column]; ok {
			column = task
		}
		m.Scores[column] = value
	}
}

// fromExperiment takes the numbers of a shipped experiment, and its models' shapes at the
// paper's scale.
func fromExperiment(number int) ([]Model, error) {
	raw, err := experiments.Tables.ReadFile(fmt.Sprintf("table%d.yaml", number))
	if err != nil {
		return nil, err
	}
	var file struct {
		Members []struct {
			Name   string             `yaml:"name"`
			Group  string             `yaml:"group"`
			Paper  map[string]float64 `yaml:"paper"`
			Scales struct {
				Paper struct {
					Model struct {
						Layers  int `yaml:"layers"`
						Heads   int `yaml:"heads"`
						KVHeads int `yaml:"kv_heads"`
					} `yaml:"model"`
				} `yaml:"paper"`
			} `yaml:"scales"`
		} `yaml:"members"`
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		return nil, err
	}
	var rows []Model
	for _, member := range file.Members {
		shape := member.Scales.Paper.Model
		m := Model{Table: number, Name: member.Name, Group: member.Group, Layers: shape.Layers, Heads: shape.Heads, KVHeads: shape.KVHeads, Scores: map[string]float64{}}
		for column, value := range member.Paper {
			m.set(column, value)
		}
		rows = append(rows, m)
	}
	return rows, nil
}
