package infer

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

func completed(t *testing.T, s *Scheduler, r Request) (ids []int32, u Usage) {
	t.Helper()
	u, err := s.Complete(context.Background(), r, func(tok Token) bool {
		ids = append(ids, tok.ID)
		return true
	})
	if err != nil {
		t.Error(err)
	}
	return ids, u
}

// Requests that share a model get what each gets alone, whenever they come and go.
func TestScheduler(t *testing.T) {
	dir := savedAs(t, filepath.Join(t.TempDir(), "model"), small(260), nil)
	alone := NewScheduler(open(t, dir, LoadOptions{}), 0)
	shared := NewScheduler(open(t, dir, LoadOptions{Slots: 3}), 100)
	defer shared.Close()
	requests := make([]Request, 24)
	want := make([][]int32, len(requests))
	for i := range requests {
		o := Options{MaxTokens: 1 + i*7%23, Temperature: float64(i%3) * 0.8, TopK: i % 5 * 10, Seed: uint64(i), RepeatPenalty: 1 + float64(i%2)*0.3}
		requests[i] = Request{Prompt: []int32{'d', 'e', 'e', 'p', int32('a' + i%4), int32(i)}[:2+i%5], Options: o}
		want[i], _ = completed(t, alone, requests[i])
	}
	alone.Close()
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() {
			if i%7 == 3 { // someone who goes away
				n := 0
				if _, err := shared.Complete(context.Background(), r, func(Token) bool { n++; return n < 2 }); err != nil {
					t.Error(err)
				}
			}
			got, u := completed(t, shared, r)
			if !slices.Equal(got, want[i]) {
				t.Errorf("request %d gets %v, alone %v", i, got, want[i])
			}
			if u.Prompt != len(r.Prompt) || u.Drawn < len(got) || u.Finish == "" {
				t.Errorf("request %d: %+v", i, u)
			}
		})
	}
	wg.Wait()
	if st := shared.Stats(); st.Active != 0 || st.Waiting != 0 || st.Slots != 3 {
		t.Errorf("afterwards %+v", st)
	}
}

// What a slot has of a prompt is not computed again.
func TestPrefix(t *testing.T) {
	s := NewScheduler(loadedWith(t, LoadOptions{Slots: 2}, nil), 0)
	defer s.Close()
	first := Request{Prompt: []int32{1, 2, 3, 4, 5, 6}, Options: Options{MaxTokens: 3}}
	text, _ := completed(t, s, first)
	completed(t, s, Request{Prompt: []int32{9, 9}, Options: Options{MaxTokens: 1}})
	again, u := completed(t, s, first)
	if u.Cached != 5 || !slices.Equal(again, text) {
		t.Errorf("the same prompt: %d of 6 tokens were there, want 5; %v, want %v", u.Cached, again, text)
	}
	longer := Request{Prompt: append(slices.Clone(first.Prompt), text[:min(2, len(text))]...), Options: Options{MaxTokens: 1}}
	if _, u := completed(t, s, longer); u.Cached != len(longer.Prompt)-1 {
		t.Errorf("a prompt that goes on with the text: %d tokens were there, want %d", u.Cached, len(longer.Prompt)-1)
	}
}

// An echoed prompt has the log-probabilities of the whole forward pass.
func TestEcho(t *testing.T) {
	m := loadedWith(t, LoadOptions{}, nil)
	ids := []int32{'t', 'h', 'i', 'n', ' ', 'x', 7, 8, 9}
	rows := oracle(t, m.Config, folderOf[m], ids)
	s := NewScheduler(m, 0)
	defer s.Close()
	for range 2 { // the second time the prompt is in the cache
		var got []Token
		_, err := s.Complete(context.Background(), Request{Prompt: ids, Echo: true, Options: Options{MaxTokens: 2, LogProbs: 3}}, func(tok Token) bool {
			got = append(got, tok)
			return true
		})
		if err != nil || len(got) < len(ids) {
			t.Fatalf("%d tokens, error %v", len(got), err)
		}
		if got[0].ID != ids[0] || got[0].LogProb != 0 || got[0].Top != nil {
			t.Errorf("the first token is %+v", got[0])
		}
		for i := range ids[1:] {
			row := rows[i][:m.Tokenizer.VocabSize()]
			want := judged(ids[i+1], row, 3)
			if g := got[i+1]; g.ID != want.ID || math.Abs(g.LogProb-want.LogProb) > 1e-4 || len(g.Top) != 3 || g.Top[0].ID != likeliest(row) {
				t.Errorf("token %d is %+v, want %+v", i+1, g, want)
			}
		}
	}
}

func TestJudged(t *testing.T) {
	logits := []float32{1, 3, 3, -2, 0}
	got := judged(4, logits, 3)
	var ids []int32
	for _, c := range got.Top {
		ids = append(ids, c.ID)
	}
	if !slices.Equal(ids, []int32{1, 2, 0}) || got.ID != 4 {
		t.Errorf("the likeliest are %v", ids)
	}
	var total float64
	for id := range logits {
		total += math.Exp(judged(int32(id), logits, 0).LogProb)
	}
	if math.Abs(total-1) > 1e-9 {
		t.Errorf("probabilities sum to %v", total)
	}
	if n := len(judged(0, logits, 99).Top); n != len(logits) {
		t.Errorf("%d of %d", n, len(logits))
	}
}

// A text that may not slide ends with the context; one that may goes on, as a prompt of
// what is left would.
func TestSlide(t *testing.T) {
	m := endless(t)
	s := NewScheduler(m, 0)
	defer s.Close()
	prompt := slices.Repeat([]int32{5, 6, 7}, 12)
	ids, u := completed(t, s, Request{Prompt: prompt, Options: Options{MaxTokens: 50, Temperature: 2, Seed: 4}})
	if len(ids)+len(prompt) != m.Context() || u.Finish != Length {
		t.Errorf("%d tokens behind %d, %s, want the context of %d", len(ids), len(prompt), u.Finish, m.Context())
	}
	ids, u = completed(t, s, Request{Prompt: prompt, Options: Options{MaxTokens: 50, Temperature: 2, Seed: 4, Slide: true}})
	if len(ids) != 50 || u.Finish != Length {
		t.Errorf("%d tokens, %s, want 50", len(ids), u.Finish)
	}
	long := slices.Repeat([]int32{5, 6, 7}, 40)
	if _, err := s.Complete(context.Background(), Request{Prompt: long, Options: Options{MaxTokens: 1}}, nil); err == nil {
		t.Error("a prompt beyond the context gives no error")
	}
	if ids, _ = completed(t, s, Request{Prompt: long, Options: Options{MaxTokens: 4, Temperature: 2, Slide: true}}); len(ids) != 4 {
		t.Errorf("a long prompt that slides gives %d tokens", len(ids))
	}
}

func TestQueue(t *testing.T) {
	s := NewScheduler(endless(t), 1)
	request := Request{Prompt: []int32{1}, Options: Options{MaxTokens: 1 << 20, Temperature: 2, Slide: true}}
	started, stop := make(chan bool), make(chan bool)
	var wg sync.WaitGroup
	wg.Go(func() {
		n := 0
		_, err := s.Complete(context.Background(), request, func(Token) bool {
			if n++; n == 1 {
				close(started)
				<-stop
			}
			return true
		})
		if !errors.Is(err, ErrClosed) {
			t.Errorf("the one that ran: %v", err)
		}
	})
	<-started
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		if _, err := s.Complete(ctx, request, func(Token) bool { return true }); !errors.Is(err, context.Canceled) {
			t.Errorf("the one that waited: %v", err)
		}
	})
	for s.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := s.Complete(context.Background(), request, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the queue: %v", err)
	}
	cancel()
	close(stop)
	for s.Stats().Waiting > 0 {
		time.Sleep(time.Millisecond)
	}
	s.Close()
	wg.Wait()
	if _, err := s.Complete(context.Background(), request, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// What ended texts have left in the cache makes room for those that run.
func TestSchedulerForgets(t *testing.T) {
	c := small(260)
	c.Context = 256
	s := NewScheduler(open(t, savedAs(t, filepath.Join(t.TempDir(), "model"), c, nil), LoadOptions{Slots: 8, CacheTokens: 256}), 0)
	defer s.Close()
	for i := range 8 {
		prompt := make([]int32, 100)
		for at := range prompt {
			prompt[at] = int32(i)
		}
		if ids, _ := completed(t, s, Request{Prompt: prompt, Options: Options{MaxTokens: 20}}); len(ids) == 0 {
			t.Errorf("request %d gets nothing", i)
		}
	}
}
