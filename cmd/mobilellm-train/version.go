package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is the module's version, or the commit that it was built from.
func version() string {
	v := versions()
	return fmt.Sprintf("%s (%s, %s)", v["mobilellm"], v["commit"], v["go"])
}

// versions are those of the program and what it is built with.
func versions() map[string]string {
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
