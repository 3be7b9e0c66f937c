package engine

// Look has f called after each instruction of the runs that follow, until f is nil: the
// instruction's results are in memory then, and not for long. It reports false, and does
// nothing, on a device whose memory or whose work the host does not follow.
func (vm *VM) Look(f func(*Instr)) bool {
	if vm.async != nil || vm.recorder != nil {
		return false
	}
	vm.look = f
	return true
}
