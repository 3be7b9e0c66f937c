// Package clitest has the script commands with which programs are tested.
//
//	testscript.Params{Cmds: clitest.Commands(nil), ...}
package clitest
