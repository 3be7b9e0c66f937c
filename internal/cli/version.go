package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version is the module's version, with the commit and the Go that built it.
func Version() string {
	v := Versions()
	return fmt.Sprintf("%s (%s, %s)", v["mobilellm"], v["commit"], v["go"])
}

// Versions are those of the program and what it is built with.
func Versions() map[string]string {
	v := map[string]string{"go": runtime.Version(), "mobilellm": "unknown", "commit": "unknown commit"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v["mobilellm"] = info.Main.Version
	dirty := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v["commit"] = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+changes"
			}
		}
	}
	v["commit"] += dirty
	for _, m := range info.Deps {
		if m.Path == "gorgonia.org/gorgonia" {
			v["gorgonia"] = m.Version
		}
	}
	return v
}
