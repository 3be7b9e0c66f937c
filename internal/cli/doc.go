// Package cli is what the commands have in common: exit codes, signals, how an
// error is printed, --version, what a mistake may have meant, help that fits the terminal,
// completion in shells. Commands say what they do; [Main] runs them.
//
// Exit codes are the same everywhere:
//
//	  0  done
//	  1  error
//	  2  mistake on the command line or in a configuration
//	130  interrupted by Ctrl-C
//	143  interrupted by SIGTERM
//
// A program may add codes of its own ([Options.Code]). Package clitest has the
// commands that the programs' scripts are tested with.
package cli
