package train

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mobilellm/device"
	"mobilellm/engine"
)

// Memory is what a run needs, in bytes.
type Memory struct {
	Weights     int64 `json:"weights"`     // float32, and a bf16 copy where the device wants one
	Gradients   int64 `json:"gradients"`   // float32; activations lie here too where a step is one micro-batch
	Optimizer   int64 `json:"optimizer"`   // moments, float32 or bf16, and the workers' scratch
	Activations int64 `json:"activations"` // of a micro-batch, with scratch, beside what lies in the gradients' memory
	Scoring     int64 `json:"scoring"`     // activations of a held-out batch, likewise
	Teacher     int64 `json:"teacher"`     // weights and activations of a teacher
	Saving      int64 `json:"saving"`      // the copy of weights and moments that checkpoints are written from
	Tasks       int64 `json:"tasks"`       // weights and KV cache of measuring by tasks
	Data        int64 `json:"data"`        // tokens of the corpus
	Reading     int64 `json:"reading"`     // the whole process while it reads the text, before all else
	Process     int64 `json:"process"`     // program, libraries and Go's heap
}

// processBytes is the program with its libraries, buffers and heap.
const processBytes = 100 << 20

// contextBytes is what an accelerator keeps for the process: its context, the
// kernels and the libraries' own memory.
const contextBytes = 600 << 20

// Total is the process at its largest: the sum of the parts, or while it reads
// the text.
func (m Memory) Total() int64 {
	return max(m.Reading, m.training())
}

func (m Memory) training() int64 {
	return m.Weights + m.Gradients + m.Optimizer + m.Activations + m.Scoring + m.Teacher + m.Saving + m.Tasks + m.Data + m.Process
}

// estimate counts the memory of a run with micro-batches of rows sequences.
func estimate(c *RunConfig, rows int, p engine.Precision, r engine.Recompute, text int64, dev device.Device) (Memory, error) {
	l, err := layOut(c, rows, p, r, dev)
	if err != nil {
		return Memory{}, err
	}
	state, err := optimizerBytes(c, dev.Workers())
	if err != nil {
		return Memory{}, err
	}
	m := Memory{
		Weights: l.weights, Gradients: l.gradients, Optimizer: state,
		Activations: l.training, Scoring: l.scoring, Teacher: l.teacher, Tasks: taskMemory(c) + l.quantized, Data: corpusBytes(text, c.Data), Reading: readingBytes(text, c.Data), Process: processBytes + layerBytes(c, dev),
	}
	if a, ok := dev.(device.Accelerator); ok { // the text and the program are in the host's memory
		if err := a.CheckUpdate(c.Optim); err != nil {
			return Memory{}, err
		}
		m.Data, m.Reading, m.Process = 0, 0, contextBytes
	} else if !c.noCopy {
		whole := *c
		whole.Optim.Shard = false // it is saved in one place
		state, err := optimizerBytes(&whole, 0)
		if err != nil {
			return Memory{}, err
		}
		m.Saving = copyBytes(c, state)
	}
	return m, nil
}

// optimizerBytes is what the optimizer keeps, and what its workers need while they update.
func optimizerBytes(c *RunConfig, workers int) (int64, error) {
	var scratch int64
	t, err := c.parameters()
	if err != nil {
		return 0, err
	}
	var owner map[string]int
	kept := make([]int64, max(1, c.ranks)) // by each rank
	if c.shards() {
		owner = owners(t.learning(), c.ranks)
	}
	for _, p := range t.learning() {
		shape := p.Hidden()
		each, err := c.Optim.StateBytes(shape != [2]int{})
		if err != nil {
			return 0, err
		}
		needed, err := c.Optim.ScratchBytes(shape[0], shape[1])
		if err != nil {
			return 0, err
		}
		kept[owner[p.Name]] += each * p.Size()
		scratch = max(scratch, needed)
	}
	return slices.Max(kept) + int64(workers)*scratch, nil
}

// deviceMemory is what a run may take of the memory that its weights and
// activations go to.
func deviceMemory(dev device.Device) int64 {
	if a, ok := dev.(device.Accelerator); ok {
		free, _ := a.Memory()
		return free
	}
	return availableMemory()
}

// usedMemory is what a run has taken of it.
func usedMemory(dev device.Device) int64 {
	if a, ok := dev.(device.Accelerator); ok {
		free, total := a.Memory()
		return total - free
	}
	return peakMemory()
}

// memoryNow is [usedMemory], looked up once a second at most.
func (r *run) memoryNow() int64 {
	if now := time.Now(); now.Sub(r.usedAt) >= time.Second {
		r.used, r.usedAt = usedMemory(r.dev), now
	}
	return r.used
}

// availableMemory is what the process may take without swapping: the kernel's
// MemAvailable, what its control group leaves or what its address space does,
// whichever is least; 0 where the system does not say.
func availableMemory() int64 {
	available := kilobytes("/proc/meminfo", "MemAvailable:")
	if left, ok := groupMemory("/sys/fs/cgroup", "/proc/self/cgroup"); ok && (available == 0 || left < available) {
		available = left
	}
	if most, ok := addressSpace("/proc/self/limits"); ok && available > 0 {
		available = min(available, max(1, most-kilobytes("/proc/self/status", "VmSize:")))
	}
	return available
}

// addressSpace is the process's limit of addresses in bytes (ulimit -v), false
// where there is none.
func addressSpace(limits string) (int64, bool) {
	raw, err := os.ReadFile(limits)
	if err != nil {
		return 0, false
	}
	_, line, found := strings.Cut(string(raw), "Max address space")
	if fields := strings.Fields(line); found && len(fields) > 0 {
		n, err := strconv.ParseInt(fields[0], 10, 64) // "unlimited" is no limit
		return n, err == nil
	}
	return 0, false
}

// peakMemory is the largest resident size that the process has had, VmHWM; 0
// where the system does not say.
func peakMemory() int64 { return kilobytes("/proc/self/status", "VmHWM:") }

// kilobytes reads a line "KEY  N kB" of a file under /proc, in bytes.
func kilobytes(path, key string) int64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) >= 2 && fields[0] == key {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}

// groupMemory is the least that the limits of the process's control groups
// (version 2, and the memory controller of version 1) leave it. File pages that
// the kernel would give back count as free.
func groupMemory(root, self string) (left int64, ok bool) {
	raw, err := os.ReadFile(self)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(raw)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, limit, usage, cache := root, "memory.max", "memory.current", "inactive_file"
		if strings.Contains(parts[1], "memory") {
			base, limit, usage, cache = filepath.Join(root, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
		} else if parts[1] != "" {
			continue
		}
		// In a container the path is that of the host, and the root of the mount
		// is the group itself.
		for dir := filepath.Join(base, parts[2]); ; dir = filepath.Dir(dir) {
			most, found := number(filepath.Join(dir, limit))
			used, known := number(filepath.Join(dir, usage))
			if found && known {
				n := max(0, most-used+statistic(filepath.Join(dir, "memory.stat"), cache))
				if !ok || n < left {
					left, ok = n, true
				}
			}
			if dir == base || len(dir) < len(base) {
				break
			}
		}
	}
	return left, ok
}

func number(path string) (int64, bool) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64) // "max" is no limit
	return n, err == nil
}

func statistic(path, key string) int64 {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == key {
			n, _ := strconv.ParseInt(value, 10, 64) // 0 where the line is broken: the cautious side
			return n
		}
	}
	return 0
}
