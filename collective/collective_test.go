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

var ranks = map[string]func() error{"all": all, "one": one, "library": library}

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
		round(x, t)
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

func all() (err error) {
	opened, err := Open()
	if err != nil {
		return err
	}
	g := opened.(*group)
	for _, most := range []int{mostBytes, 4096} {
		g.most = most
		for _, n := range []int{0, 1, 3, 1000, 10007} {
			for _, t := range []Type{Float32, BF16} {
				want := expected(g.size, n, t)
				x := given(g.rank, n)
				if err := g.AllReduce(x, t); err != nil {
					return err
				}
				rounded := slices.Clone(want)
				round(rounded, t)
				if !slices.Equal(x, rounded) {
					return fmt.Errorf("rank %d: all-reduce of %d, type %v", g.rank, n, t)
				}
				// Parts of other sizes have the same sums: empty ones, and one that has nearly all.
				ends := make([]int, g.size)
				for i := range ends {
					ends[i] = n
				}
				ends[0] = n / 9
				x = given(g.rank, n)
				if err := g.ReduceScatter(x, ends, t); err != nil {
					return err
				}
				from, to := part(ends, g.rank)
				if !slices.Equal(x[from:to], want[from:to]) {
					return fmt.Errorf("rank %d: reduce-scatter of %d, type %v", g.rank, n, t)
				}
				if err := g.AllGather(x, ends, t); err != nil {
					return err
				}
				if !slices.Equal(x, rounded) {
					return fmt.Errorf("rank %d: all-gather of %d, type %v", g.rank, n, t)
				}
			}
		}
		text := make([]byte, 10000)
		if last := g.size - 1; g.rank == last {
			copy(text, bytes.Repeat([]byte("last"), 2500))
		}
		if err := g.Broadcast(text, g.size-1); err != nil || !bytes.Equal(text, bytes.Repeat([]byte("last"), 2500)) {
			return errors.Join(fmt.Errorf("rank %d: broadcast", g.rank), err)
		}
		got, err := g.Exchange(bytes.Repeat([]byte{byte(g.rank)}, 3000*g.rank))
		if err != nil {
			return err
		}
		for i, b := range got {
			if !bytes.Equal(b, bytes.Repeat([]byte{byte(i)}, 3000*i)) {
				return fmt.Errorf("rank %d: exchange gave %d bytes of rank %d", g.rank, len(b), i)
			}
		}
	}
	for _, err := range []error{g.Broadcast(nil, g.size), g.AllReduce(nil, Float32), g.ReduceScatter(make([]float32, 4), []int{4, 3}, Float32)} {
		if g.rank == 0 {
			fmt.Println("said:", err)
		}
	}
	fmt.Printf("rank %d of %d, %d here\n", g.Rank(), g.Size(), g.Local())
	if err := g.Barrier(); err != nil {
		return err
	}
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
				if want := fmt.Sprintf("ranks are 0 to %d", n-1); !strings.Contains(text, want) {
					t.Errorf("%q is not in\n%s", want, text)
				}
			})
		}
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
	x := []float32{1.0009765625, float32(math.NaN()), -3}
	if err := errors.Join(g.AllReduce(x[:1], Float32), g.AllGather(x, []int{3}, BF16), g.Barrier(), g.Broadcast(nil, 0)); err != nil {
		t.Fatal(err)
	}
	if x[0] != bfloat16.Float32(bfloat16.Round(1.0009765625)) || x[0] == 1.0009765625 || x[2] != -3 {
		t.Errorf("%v", x)
	}
	if all, err := g.Exchange([]byte("a")); err != nil || len(all) != 1 || string(all[0]) != "a" {
		t.Errorf("%q, %v", all, err)
	}
	for _, bad := range [][]int{{}, {2}, {4}, {1, 3}} {
		if g.ReduceScatter(x, bad, Float32) == nil {
			t.Errorf("parts that end at %v", bad)
		}
	}
	if g.Broadcast(nil, 1) == nil {
		t.Error("broadcast of a rank that is not there")
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

// The rounding of package bfloat16.
func TestRounding(t *testing.T) {
	x := []float32{0, float32(math.Copysign(0, -1)), 1, 1.00390625, 1.01171875, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.MaxFloat32, math.SmallestNonzeroFloat32}
	sent, back := make([]byte, 2*len(x)), make([]float32, len(x))
	packed(sent, back, x)
	for i, v := range x {
		if want := bfloat16.Float32(bfloat16.Round(v)); math.Float32bits(back[i]) != math.Float32bits(want) {
			t.Errorf("%v travels as %v, want %v", v, back[i], want)
		}
	}
}
