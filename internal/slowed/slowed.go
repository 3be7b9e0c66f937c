// Package slowed lets tests make the writing of checkpoints as slow as a bad disk:
//
//	go build -ldflags "-X mobilellm/internal/slowed.File=20ms" ./cmd/mobilellm-train
package slowed

import "time"

// File is how long each file of a checkpoint waits before it is synced, as
// [time.ParseDuration] reads it; empty for not at all.
var File string

// Hold is called in its place where it is not nil.
var Hold func()

// Wait waits so long.
func Wait() {
	if Hold != nil {
		Hold()
		return
	}
	if File == "" {
		return
	}
	d, err := time.ParseDuration(File)
	if err != nil {
		panic("slowed: " + err.Error())
	}
	time.Sleep(d)
}
