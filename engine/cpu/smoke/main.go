package main

import (
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"time"

	"gorgonia.org/gorgonia"
	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
)

func main() {
	c := arch.Default().Resolved()
	B, _ := strconv.Atoi(os.Args[1])
	T, _ := strconv.Atoi(os.Args[2])
	p, _ := engine.ParsePrecision(os.Args[3])
	r, _ := engine.ParseRecompute(os.Args[4])
	t0 := time.Now()
	g, err := c.BuildTraining(B, T)
	if err != nil {
		panic(err)
	}
	fmt.Println("build", time.Since(t0))
	dev := cpu.New(cpu.Options{})
	fmt.Println(dev.Name())
	var ps []engine.Parameter
	for _, q := range c.Parameters() {
		ps = append(ps, engine.Parameter{Name: q.Name, Shape: q.Shape})
	}
	w, err := engine.NewWeights(dev, ps, engine.WeightOptions{Gradients: true, BF16: p == engine.PrecisionBF16})
	if err != nil {
		panic(err)
	}
	for _, q := range c.Parameters() {
		v := w.Value(q.Name).Float32s()
		for i := range v {
			if q.Norm {
				v[i] = 1
			} else {
				v[i] = float32(rand.NormFloat64() * 0.02)
			}
		}
	}
	w.Changed()
	t0 = time.Now()
	vm, err := engine.Compile(engine.Program{Outputs: []*gorgonia.Node{g.Loss}, Gradients: g.Gradients, Weights: w}, dev, engine.Options{Precision: p, Recompute: r, Profile: true})
	if err != nil {
		panic(err)
	}
	fmt.Println("compile", time.Since(t0), "MB", vm.Bytes()>>20, "instrs", len(vm.Instrs()))
	ids := vm.Input(g.Tokens).Ids()
	for i := range ids {
		ids[i] = int32(rand.Intn(c.VocabSize))
		vm.Input(g.Targets).Ids()[i] = int32(rand.Intn(c.VocabSize))
	}
	vm.Input(g.Scale).Float32s()[0] = 1 / float32(len(ids))
	for i := 0; i < 4; i++ {
		if i == 1 {
			vm.Profile().Reset()
		}
		t0 = time.Now()
		if err := vm.RunAll(); err != nil {
			panic(err)
		}
		dt := time.Since(t0).Seconds()
		fmt.Printf("loss %.4f %.3fs %.0f tok/s %.0f GFLOP/s\n", vm.Output(g.Loss).Float32s()[0], dt, float64(B*T)/dt, float64(c.TrainingFLOPs(T))*float64(B*T)/dt/1e9)
	}
	vm.Profile().Write(os.Stdout, 0)
}
