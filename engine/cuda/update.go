package cuda

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/optim"
)

// Update is an optimizer over the parameters with gradients, which lie end to end on the
// GPU: one kernel for all parameters that lie so too, where none between them is frozen. The norm, the clipping and the decision not to update
// are made there too; the host reads norm and losses in one copy afterwards.
type Update struct {
	d      *Device
	cfg    optim.Config
	names  []string
	total  int // parameters
	pieces []piece
	steps  int
	mem    []engine.Memory
	step   func(u *Update, lr float64)
	losses int
	watch  *watch // of the sums over ranks that are under way

	// Of each moment its name, its type, the address of all parameters' and each one's.
	momentNames []string
	momentType  engine.DType
	momentsAt   []kernels.Pointer
	moments     [][]*engine.Tensor

	grad    kernels.Pointer
	scalars kernels.Pointer
	results kernels.Pointer // norm, its factor, and the losses
	scratch kernels.Pointer
	out     []float32
}

// piece is parameters that lie end to end.
type piece struct {
	value, copy kernels.Pointer
	first       int // elements before it of gradients and moments
	sizes       []int
	decays      []bool
	table       kernels.Pointer
	chunks      int
}

// at is an address of the piece's elements, of a type, in memory of all.
func (p piece) at(all kernels.Pointer, t engine.DType) kernels.Pointer {
	if all == 0 {
		return 0
	}
	return all + kernels.Pointer(int64(p.first)*t.Size())
}

// updates are the optimizers that there are kernels for.
var updates = map[string]func(u *Update, lr float64){
	optim.NameAdamW: (*Update).adamW,
	optim.NameAdam:  (*Update).adam,
	optim.NameSGD:   (*Update).sgd,
}

// momentTypes are the types of moments that the kernels know.
var momentTypes = map[string]engine.DType{optim.MomentsFloat32: engine.F32, optim.MomentsBF16: engine.BF16}

// NewUpdate takes memory for the optimizer of c over w's parameters with gradients.
// decays says for each whether weight decay applies; a step collects at most so
// many scalars.
func (d *Device) NewUpdate(c optim.Config, w *engine.Weights, decays []bool, scalars int) (engine.Update, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	u := &Update{d: d, cfg: c, losses: scalars, out: make([]float32, 2+scalars)}
	if err := u.choose(); err != nil {
		return nil, err
	}
	for _, name := range w.Names() {
		if w.Gradient(name) != nil {
			u.names = append(u.names, name)
		}
	}
	if len(u.names) != len(decays) {
		return nil, fmt.Errorf("cuda: optimizer of %d parameters with gradients, told of %d", len(u.names), len(decays))
	}
	if err := u.locate(w, decays); err != nil {
		return nil, err
	}
	if err := u.allocate(w); err != nil {
		return nil, fmt.Errorf("cuda: optimizer: %w", err)
	}
	return u, nil
}

// locate finds gradients, and values with their copies in pieces without a gap.
func (u *Update) locate(w *engine.Weights, decays []bool) error {
	var grads []*engine.Tensor
	var last *engine.Tensor
	for i, name := range u.names {
		v := w.Value(name)
		if last == nil || engine.EndToEnd(last, v) != nil {
			p := piece{value: at(v), first: u.total}
			if h := v.BF16Copy(); h != nil {
				p.copy = at(h)
			}
			u.pieces = append(u.pieces, p)
		}
		p := &u.pieces[len(u.pieces)-1]
		p.sizes, p.decays = append(p.sizes, v.Len()), append(p.decays, decays[i])
		grads, last = append(grads, w.Gradient(name)), v
		u.total += v.Len()
	}
	first, _, err := oneMatrix(grads)
	if err != nil {
		return fmt.Errorf("cuda: %w", err)
	}
	u.grad = at(first)
	return nil
}

func (u *Update) allocate(w *engine.Weights) error {
	var l layout
	tables := make([][]int64, len(u.pieces))
	for i := range u.pieces {
		p := &u.pieces[i]
		tables[i] = kernels.Chunks(p.sizes, p.decays)
		p.chunks, p.table = len(tables[i])/3, l.take(8*int64(len(tables[i])))
	}
	places := make([]kernels.Pointer, len(u.momentNames))
	for i := range places {
		places[i] = l.take(int64(u.total) * u.momentType.Size())
	}
	scalars := l.take(int64(unsafe.Sizeof(kernels.AdamScalars{})))
	results, scratch := l.take(4*int64(len(u.out))), l.take(kernels.GradientNormScratch(u.total))
	mem, err := u.d.Alloc(l.taken())
	if err != nil {
		return err
	}
	u.mem = append(u.mem, mem)
	place := commands{scratch: address(mem.Pointer())}
	u.scalars, u.results, u.scratch = place.piece(scalars), place.piece(results), place.piece(scratch)
	for _, p := range places {
		all := place.piece(p)
		u.momentsAt, u.moments = append(u.momentsAt, all), append(u.moments, u.split(w, all, u.momentType))
	}
	for i, table := range tables {
		p := &u.pieces[i]
		p.table = place.piece(p.table)
		if err := u.upload(p.table, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(table))), 8*len(table))); err != nil {
			return err
		}
	}
	return nil
}

// CheckUpdate reports an optimizer that there is no kernel for.
func (d *Device) CheckUpdate(c optim.Config) error { return (&Update{cfg: c}).choose() }

// choose finds the optimizer's kernel and what it keeps.
func (u *Update) choose() (err error) {
	if u.step = updates[u.cfg.Name]; u.step == nil {
		return fmt.Errorf("cuda: the GPU has no kernel for the optimizer %s\nhint: --device cpu, or --set optim.name=adamw", u.cfg.Name)
	}
	if u.momentNames, err = u.cfg.MomentNames(false); err != nil {
		return err
	}
	t, ok := momentTypes[u.cfg.Moments]
	if !ok {
		return fmt.Errorf("cuda: the GPU keeps no moments in %s", u.cfg.Moments)
	}
	u.momentType = t
	return nil
}

// split views one moment of all parameters as a tensor for each.
func (u *Update) split(w *engine.Weights, p kernels.Pointer, t engine.DType) []*engine.Tensor {
	list := make([]*engine.Tensor, len(u.names))
	for i, name := range u.names {
		shape := w.Value(name).Shape
		list[i] = engine.RemoteView(u.d, *(*unsafe.Pointer)(unsafe.Pointer(&p)), t, shape...)
		list[i].Name = name
		p += kernels.Pointer(list[i].Bytes())
	}
	return list
}

func (u *Update) upload(to kernels.Pointer, bytes []byte) (err error) {
	u.d.Do(func() { err = u.d.driver.Upload(to, bytes) })
	return err
}

// Collect enqueues that a scalar is kept for Result.
func (u *Update) Collect(i int, scalar *engine.Tensor) {
	if i < 0 || i >= u.losses {
		panic(fmt.Sprintf("cuda: scalar %d of %d", i, u.losses))
	}
	u.d.Do(func() { u.d.fail(u.d.driver.Copy(u.results+kernels.Pointer(8+4*i), at(scalar), 4)) })
}

// Step enqueues the global norm, clipping and an update with rate lr. Nothing
// changes where the norm is not finite; a loss is not finite only with logits
// that are not, and then neither is the gradient.
func (u *Update) Step(lr float64) {
	u.steps++
	u.d.Do(func() { u.step(u, lr) })
}

// adamW decouples the weight decay from the gradient.
func (u *Update) adamW(lr float64) {
	s := u.adamScalars(lr)
	s.Keep = float32(1 - lr*u.cfg.WeightDecay)
	u.launchAdam(s)
}

// adam adds the weight decay to the gradient.
func (u *Update) adam(lr float64) {
	s := u.adamScalars(lr)
	s.L2 = float32(u.cfg.WeightDecay)
	u.launchAdam(s)
}

// adamScalars are the numbers of optim's update without weight decay, worked out in
// float64 there too.
func (u *Update) adamScalars(lr float64) kernels.AdamScalars {
	beta1, beta2, t := u.cfg.Betas[0], u.cfg.Betas[1], float64(u.steps)
	return kernels.AdamScalars{
		Keep: 1, Beta1C: float32(1 - beta1), Beta2: float32(beta2), Beta2C: float32(1 - beta2),
		RootScale: float32(1 / math.Sqrt(1-math.Pow(beta2, t))), Eps: float32(u.cfg.Eps),
		StepSize: float32(lr / (1 - math.Pow(beta1, t))),
	}
}

func (u *Update) launchAdam(s kernels.AdamScalars) {
	u.norm(unsafe.Slice((*byte)(unsafe.Pointer(&s)), unsafe.Sizeof(s)))
	for _, p := range u.pieces {
		u.d.launch(kernels.Adam(p.value, p.at(u.grad, engine.F32), p.at(u.momentsAt[0], u.momentType), p.at(u.momentsAt[1], u.momentType),
			p.copy, p.table, u.scalars, u.results, p.chunks, u.momentType))
	}
}

func (u *Update) sgd(lr float64) {
	s := kernels.SGDScalars{L2: float32(u.cfg.WeightDecay), Momentum: float32(u.cfg.Momentum), LR: float32(lr)}
	var buffer kernels.Pointer // none without momentum
	if len(u.momentsAt) > 0 {
		buffer = u.momentsAt[0]
	}
	u.norm(unsafe.Slice((*byte)(unsafe.Pointer(&s)), unsafe.Sizeof(s)))
	for _, p := range u.pieces {
		u.d.launch(kernels.SGD(p.value, p.at(u.grad, engine.F32), p.at(buffer, engine.F32), p.copy, p.table, u.scalars, u.results, p.chunks))
	}
}

// norm enqueues the step's scalars, and the norm with its factor.
func (u *Update) norm(scalars []byte) {
	u.d.fail(u.d.driver.Upload(u.scalars, scalars))
	u.d.launch(kernels.GradientNorm(u.results, u.grad, u.scratch, u.total, float32(u.cfg.Clip)))
}

// Measure enqueues the global norm alone, for a Result before the step.
func (u *Update) Measure() {
	u.d.Do(func() { u.d.launch(kernels.GradientNorm(u.results, u.grad, u.scratch, u.total, float32(u.cfg.Clip))) })
}

// Result waits for the step and returns what was collected and the norm of the
// gradient before clipping.
func (u *Update) Result() (collected []float32, norm float64, err error) {
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(u.out))), 4*len(u.out))
	u.d.Do(func() {
		if err = u.d.driver.Download(bytes, u.results); err == nil {
			err = u.d.err
		}
	})
	return u.out[2:], float64(u.out[0]), errors.Join(err, u.reduced())
}

// Moments are the state, in the order and with the names of optim.Optimizer's.
func (u *Update) Moments() []engine.Moment {
	var list []engine.Moment
	for i, param := range u.names {
		for j, name := range u.momentNames {
			list = append(list, engine.Moment{Name: name + "." + param, Param: param, Value: u.moments[j][i]})
		}
	}
	return list
}

// Steps is the number of updates so far.
func (u *Update) Steps() int { return u.steps }

// SetSteps restores it.
func (u *Update) SetSteps(steps int) { u.steps = steps }

// Close frees the memory.
func (u *Update) Close() error {
	for _, m := range u.mem {
		if err := m.Free(); err != nil {
			return err
		}
	}
	u.mem = nil
	return nil
}
