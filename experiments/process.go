package experiments

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// process names a process among all machines that share a file system.
type process struct {
	Host    string `json:"host"`
	Boot    string `json:"boot"` // of the machine's start and the space of process ids; empty where the system does not say
	PID     int    `json:"pid"`
	Started string `json:"started"` // clock ticks after the machine's start
}

var self = sync.OnceValue(func() process {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	p := process{Host: host, PID: os.Getpid()}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, err2 := os.Readlink("/proc/self/ns/pid") // two containers have two processes 7
	if err == nil && err2 == nil {
		p.Boot = strings.TrimSpace(string(boot)) + " " + space
		p.Started, _ = started(p.PID)
	}
	return p
})

func (p process) String() string { return fmt.Sprintf("process %d on %s", p.PID, p.Host) }

// dead says whether the process is known to have ended: it ran here, and what has
// its id now, if anything, is another.
func (p process) dead() bool {
	if me := self(); p.Boot == "" || p.Boot != me.Boot {
		return false
	}
	now, ok := started(p.PID)
	return !ok || now != p.Started
}

// started is when a living process of this machine began.
func started(pid int) (string, bool) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false
	}
	// The name, in brackets, may hold anything; state follows it as field 3.
	after := string(raw[strings.LastIndexByte(string(raw), ')')+1:])
	fields := strings.Fields(after)
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", false
	}
	return fields[19], true
}
