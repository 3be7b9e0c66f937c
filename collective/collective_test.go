package collective

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mobilellm/internal/bfloat16"
)

// childVariable names what a rank that a test starts does.
const childVariable = "COLLECTIVE_TEST_RANK"

func TestMain(m *testing.M) {
	do, ok := os.LookupEnv(childVariable)
	if !ok {
		os.Exit(m.Run())
	}
	if err := ranks[do](); err != nil {
		fmt.Fprintf(os.Stderr, "rank: %v\n", err)
		os.Exit(1)
	}
}

// launchers are those whose programs are found, by name.
func launchers(t *testing.T) map[string]func(ranks int, args ...string) *exec.Cmd {
	t.Helper()
	if !withMPI {
		t.Skip("built without cgo, by which MPI is loaded")
	}
	found := map[string]func(int, ...string) *exec.Cmd{}
	for name, options := range map[string][]string{"openmpi": {"--allow-run-as-root", "--oversubscribe"}, "mpich": nil} {
		path, err := exec.LookPath("mpirun." + name)
		if err != nil {
			continue
		}
		found[name] = func(n int, args ...string) *exec.Cmd {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			t.Cleanup(cancel)
			return exec.CommandContext(ctx, path, append(append(options, "-n", fmt.Sprint(n)), args...)...)
		}
	}
	if len(found) == 0 {
		t.Skip("neither mpirun.openmpi nor mpirun.mpich is installed")
	}
	return found
}

func start(t *testing.T, c *exec.Cmd, do string, environment ...string) (string, error) {
	t.Helper()
	c.Env = append(append(os.Environ(), childVariable+"="+do), environment...)
	text, err := c.CombinedOutput()
	return string(text), err
}

var ranks = map[string]func() error{"all": allByMPI, "hung": hung, "one": one, "library": library}

// given is what a rank brings, the same every time.
func given(rank, n int) []float32 {
	r := rand.New(rand.NewPCG(7, uint64(rank)))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// expected is the sum of what all bring, in the order of the ranks.
func expected(size, n int, t Type) []float32 {
	sum := make([]float32, n)
	for rank := range size {
		x := given(rank, n)
		if t == BF16 {
			roundHere(x)
		}
		for i := range sum {
			if rank == 0 {
				sum[i] = x[i]
			} else {
				sum[i] += x[i]
			}
		}
	}
	return sum
}

// all calls each operation on vectors of several slices, one of them empty.
func all(g Group) error {
	rank, size := g.Rank(), g.Size()
	for _, n := range []int{0, 1, 3, 1000, 100007} {
		for _, t := range []Type{Float32, BF16} {
			want := expected(size, n, t)
			rounded := slices.Clone(want)
			if t == BF16 {
				roundHere(rounded)
			}
			x := given(rank, n)
			v := Vector{x[:n/7], x[n/7 : n/7], x[n/7 : n/2], x[n/2:]}
			if err := g.AllReduce(v, t); err != nil {
				return err
			}
			if !slices.Equal(x, rounded) {
				return fmt.Errorf("rank %d: all-reduce of %d, type %v", rank, n, t)
			}
			// Parts of other sizes have the same sums: empty ones, and one that has nearly all.
			ends := make([]int, size)
			for i := range ends {
				ends[i] = n
			}
			if size > 1 {
				ends[0] = n / 9
			}
			copy(x, given(rank, n))
			if err := g.ReduceScatter(v, ends, t); err != nil {
				return err
			}
			from, to := bounds(ends, rank)
			if !slices.Equal(x[from:to], want[from:to]) {
				return fmt.Errorf("rank %d: reduce-scatter of %d, type %v", rank, n, t)
			}
			if err := g.AllGather(v, ends, t); err != nil {
				return err
			}
			if !slices.Equal(x, rounded) {
				return fmt.Errorf("rank %d: all-gather of %d, type %v", rank, n, t)
			}
		}
	}
	text := make([]byte, 10000)
	if last := size - 1; rank == last {
		copy(text, bytes.Repeat([]byte("last"), 2500))
	}
	if err := g.Broadcast(text, size-1); err != nil || !bytes.Equal(text, bytes.Repeat([]byte("last"), 2500)) {
		return errors.Join(fmt.Errorf("rank %d: broadcast", rank), err)
	}
	got, err := g.Exchange(bytes.Repeat([]byte{byte(rank)}, 3000*rank))
	if err != nil {
		return err
	}
	for i, b := range got {
		if !bytes.Equal(b, bytes.Repeat([]byte{byte(i)}, 3000*i)) {
			return fmt.Errorf("rank %d: exchange gave %d bytes of rank %d", rank, len(b), i)
		}
	}
	var room [][][]byte
	if rank == 0 {
		for i := range size {
			room = append(room, [][]byte{make([]byte, i), make([]byte, 5000)})
		}
	}
	if err := g.Gather([][]byte{bytes.Repeat([]byte{7}, rank), bytes.Repeat([]byte{byte(rank)}, 5000)}, room, 0); err != nil {
		return err
	}
	for i, x := range room {
		if !bytes.Equal(x[0], bytes.Repeat([]byte{7}, i)) || !bytes.Equal(x[1], bytes.Repeat([]byte{byte(i)}, 5000)) {
			return fmt.Errorf("gathering brought %d bytes of rank %d that are not its own", len(x[1]), i)
		}
	}
	for what, err := range map[string]error{
		fmt.Sprintf("broadcast of rank %d: ranks are 0 to %d", size, size-1): g.Broadcast(nil, size),
		"gathering of rank -1": g.Gather(nil, nil, -1),
		"ends":                 g.ReduceScatter(Vector{make([]float32, 4)}, make([]int, size+1), Float32),
		"of 4 elements":        g.AllGather(Vector{make([]float32, 4)}, fixed(3, size), Float32),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			return fmt.Errorf("%q is not in the error %v", what, err)
		}
	}
	return g.Barrier()
}

func fixed(n, times int) []int {
	list := make([]int, times)
	for i := range list {
		list[i] = n
	}
	return list
}

func allByMPI() error {
	g, err := Open()
	if err != nil {
		return err
	}
	if err := all(g); err != nil {
		return err
	}
	fmt.Printf("rank %d of %d, %d here\n", g.Rank(), g.Size(), g.Local())
	return g.Close()
}

// hung is a group whose last rank does not answer.
func hung() error {
	g, err := Open()
	if err != nil {
		return err
	}
	g.SetTimeout(300 * time.Millisecond)
	if g.Rank() == g.Size()-1 {
		time.Sleep(3 * time.Second)
		return nil
	}
	err = g.AllReduce(Vector{make([]float32, 1000)}, Float32)
	fmt.Printf("rank %d: %v\n", g.Rank(), err)
	time.Sleep(3 * time.Second)
	return g.Close()
}

func one() error {
	g, err := Open()
	if err == nil {
		fmt.Println("size", g.Size())
	}
	return err
}

func library() error {
	_, err := Open()
	fmt.Println("error:", err)
	return nil
}

func TestRanks(t *testing.T) {
	for name, mpirun := range launchers(t) {
		for _, n := range []int{2, 3, 4} {
			t.Run(fmt.Sprint(name, n), func(t *testing.T) {
				text, err := start(t, mpirun(n, os.Args[0]), "all")
				if err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				for rank := range n {
					if want := fmt.Sprintf("rank %d of %d, %d here", rank, n, rank); !strings.Contains(text, want) {
						t.Errorf("%q is not in\n%s", want, text)
					}
				}
			})
		}
		t.Run(name+" hung", func(t *testing.T) {
			text, err := start(t, mpirun(3, os.Args[0]), "hung")
			for rank := range 2 {
				if want := fmt.Sprintf("rank %d: rank 2 did not answer within 300ms", rank); !strings.Contains(text, want) {
					t.Errorf("%v: %q is not in\n%s", err, want, text)
				}
			}
		})
		t.Run(name+" alone", func(t *testing.T) {
			if text, err := start(t, mpirun(1, os.Args[0]), "one"); err != nil || !strings.Contains(text, "size 1") {
				t.Errorf("%v\n%s", err, text)
			}
		})
		t.Run(name+" without a library", func(t *testing.T) {
			text, err := start(t, mpirun(2, os.Args[0]), "library", "MOBILELLM_MPI=/nowhere/libmpi.so")
			if !strings.Contains(text, "started 2 ranks: no MPI library: /nowhere/libmpi.so") {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}

func TestSingle(t *testing.T) {
	g, err := Open()
	if err != nil || g.Size() != 1 || g.Rank() != 0 || g.Local() != 0 {
		t.Fatalf("%+v, %v", g, err)
	}
	if err := all(g); err != nil {
		t.Error(err)
	}
	x := []float32{1.0009765625, float32(math.NaN()), -3}
	if err := errors.Join(g.AllReduce(Vector{x[:1]}, Float32), g.AllGather(Vector{x}, []int{3}, BF16), g.Close()); err != nil {
		t.Fatal(err)
	}
	if x[0] != bfloat16.Float32(bfloat16.Round(1.0009765625)) || x[0] == 1.0009765625 || x[2] != -3 {
		t.Errorf("%v", x)
	}
}

// inProcessRanks runs f as ranks that are goroutines.
func inProcessRanks(n int, net Network, f func(g Group) error) error {
	errs := make([]error, n)
	var ranks sync.WaitGroup
	for i, g := range InProcess(n, net) {
		ranks.Go(func() { errs[i] = f(g) })
	}
	ranks.Wait()
	return errors.Join(errs...)
}

func TestInProcess(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5} {
		if err := inProcessRanks(n, Network{}, all); err != nil {
			t.Errorf("%d ranks: %v", n, err)
		}
	}
	begun := time.Now()
	err := inProcessRanks(2, Network{BytesPerSecond: 1e6, Latency: time.Millisecond}, func(g Group) error {
		return g.AllReduce(Vector{make([]float32, 50_000)}, Float32)
	})
	// Each rank sends half of the 200,000 bytes twice.
	if took := time.Since(begun); err != nil || took < 200*time.Millisecond {
		t.Errorf("%v after %v", err, took)
	}
	err = inProcessRanks(3, Network{}, func(g Group) error {
		g.SetTimeout(50 * time.Millisecond)
		if g.Rank() == 1 {
			return nil
		}
		var late *TimeoutError
		if err := g.Barrier(); !errors.As(err, &late) || !slices.Equal(late.Ranks, []int{1}) {
			return fmt.Errorf("rank %d: %v", g.Rank(), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLaunched(t *testing.T) {
	for _, name := range []string{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "PMI_SIZE", "SLURM_NTASKS", "PMIX_RANK", "PMI_FD", "MPI_LOCALRANKID", "SLURM_LOCALID"} {
		t.Setenv(name, "")
	}
	if l, ok := launched(); ok {
		t.Errorf("%+v of nothing", l)
	}
	t.Setenv("SLURM_NTASKS", "8") // a batch script's own environment starts no ranks
	if l, ok := launched(); ok {
		t.Errorf("%+v of a batch job", l)
	}
	t.Setenv("PMI_FD", "5")
	t.Setenv("SLURM_LOCALID", "3")
	if l, _ := launched(); l.by != "srun with PMI2" || l.size != 8 || l.local != 3 || l.libraries[0] != "libmpich.so.12" {
		t.Errorf("%+v", l)
	}
	t.Setenv("PMIX_RANK", "0")
	if l, _ := launched(); l.by != "srun with PMIx" || l.libraries[0] != "libmpi.so.40" {
		t.Errorf("%+v", l)
	}
	t.Setenv("OMPI_COMM_WORLD_SIZE", "2")
	if l, _ := launched(); l.by != "Open MPI's mpirun" || l.size != 2 {
		t.Errorf("%+v", l)
	}
}

// Vectors do what the plain loops do.
func TestVectors(t *testing.T) {
	x := append(given(1, 61), 0, float32(math.Copysign(0, -1)), 1.00390625, 1.01171875, float32(math.Inf(1)), float32(math.NaN()), math.MaxFloat32, math.SmallestNonzeroFloat32)
	half, plain := make([]uint16, len(x)), make([]uint16, len(x))
	roundTo(half, x)
	roundPlain(plain, x)
	if !slices.Equal(half, plain) {
		t.Errorf("rounded to %x, want %x", half, plain)
	}
	y, want := given(2, len(x)), given(2, len(x))
	add(y, x)
	addPlain(want, x)
	back, wide := make([]float32, len(x)), make([]float32, len(x))
	widenTo(back, half)
	widenPlain(wide, half)
	for i := range x {
		if math.Float32bits(y[i]) != math.Float32bits(want[i]) || math.Float32bits(back[i]) != math.Float32bits(wide[i]) {
			t.Errorf("%v: added %v, want %v; widened %v, want %v", x[i], y[i], want[i], back[i], wide[i])
		}
	}
}
