package tasks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"mobilellm/eval"
	"mobilellm/eval/dataset"
	"mobilellm/tokenizer/chat"
)

// MTBench are 80 questions of two turns each, the second with the first's answer (Zheng et
// al., 2023). Its judge is another program: here answers are made, at FastChat's
// temperatures, and written as that reads them (data/mt_bench/model_answer).
var MTBench = eval.Task{
	Name: "mt-bench", Title: "MT-Bench", Version: "1.0", Kind: eval.Chat,
	Sources: []eval.Source{{
		Names: []string{"mt_bench/question.jsonl", "chat/mt_bench/question.jsonl"},
		URL:   "https://github.com/lm-sys/FastChat/tree/main/fastchat/llm_judge/data/mt_bench",
	}},
	Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		turns, category := r.Texts("turns"), r.Text("category")
		if len(turns) == 0 {
			r.Fail("turns: none, want one at least")
			return nil
		}
		t, ok := temperatures[category]
		if !ok {
			t = otherTemperature
		}
		return one(eval.Item{
			ID: strconv.Itoa(r.Int("question_id")), Messages: []chat.Message{{Role: "user", Content: turns[0]}}, Further: turns[1:],
			MaxTokens: chatTokens, Temperature: t, Parts: []string{category},
		})
	},
	Reports: chatReports,
	Output:  &eval.Output{Path: "mt_bench/model_answer/NAME.jsonl", Write: writeMTBench},
}

// temperatures are FastChat's by category (fastchat/llm_judge/common.py,
// temperature_config); other categories have otherTemperature.
var temperatures = map[string]float64{
	"writing": 0.7, "roleplay": 0.7, "extraction": 0, "math": 0, "coding": 0, "reasoning": 0, "stem": 0.1, "humanities": 0.1,
}

const otherTemperature = 0.7

// writeMTBench writes a line a question.
func writeMTBench(w io.Writer, model string, items []eval.Item, answers []eval.Answer) error {
	type choice struct {
		Index int      `json:"index"`
		Turns []string `json:"turns"`
	}
	type line struct {
		Question int      `json:"question_id"`
		Answer   string   `json:"answer_id"`
		Model    string   `json:"model_id"`
		Choices  []choice `json:"choices"`
		Time     float64  `json:"tstamp"`
	}
	now := float64(time.Now().UnixMilli()) / 1000
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for i, item := range items {
		question, err := strconv.Atoi(item.ID)
		if err != nil {
			return err
		}
		c := choice{Turns: []string{}}
		h := sha256.New()
		for _, turn := range answers[i].Turns {
			c.Turns = append(c.Turns, turn.Text)
			h.Write([]byte(turn.Text + "\x00"))
		}
		h.Write([]byte(model + "\x00" + item.ID))
		if err := e.Encode(line{question, hex.EncodeToString(h.Sum(nil))[:22], model, []choice{c}, now}); err != nil {
			return err
		}
	}
	return nil
}
