package collective

import (
	"os"
	"strconv"
)

// launch is what a launcher says of the process.
type launch struct {
	by          string
	libraries   []string // that speak its language
	size, local int
}

var (
	openMPILibraries = []string{"libmpi.so.40", "libmpi.so"}
	mpichLibraries   = []string{"libmpich.so.12", "libmpi.so.12", "libmpich.so"}
)

// LocalRank is this process's number among the ranks of its machine, 0 where none were started.
func LocalRank() int {
	l, _ := launched()
	return l.local
}

// launched reads the environment: mpirun of Open MPI, mpirun of MPICH (and of libraries with
// its ABI), srun with PMIx or PMI2.
func launched() (launch, bool) {
	for _, l := range []struct {
		by, size, local, besides string
		libraries                []string
	}{
		{"Open MPI's mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "", openMPILibraries},
		{"srun with PMIx", "SLURM_NTASKS", "SLURM_LOCALID", "PMIX_RANK", openMPILibraries},
		{"MPICH's mpirun", "PMI_SIZE", "MPI_LOCALRANKID", "", mpichLibraries},
		{"srun with PMI2", "SLURM_NTASKS", "SLURM_LOCALID", "PMI_FD", mpichLibraries},
	} {
		size, err := strconv.Atoi(os.Getenv(l.size))
		if err != nil || size < 1 || l.besides != "" && os.Getenv(l.besides) == "" {
			continue
		}
		local, _ := strconv.Atoi(os.Getenv(l.local)) // 0 where it is not said
		return launch{l.by, l.libraries, size, local}, true
	}
	return launch{}, false
}
