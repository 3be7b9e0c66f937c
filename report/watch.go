package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
)

// Handler serves the page of the runs in folders as they are when it is asked for, to this
// machine alone. The page looks for a newer one every two seconds.
func Handler(dirs []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		switch {
		case host != "localhost" && !net.ParseIP(host).IsLoopback(): // another site's name for this address
			http.Error(w, "host "+host+" is not this machine", http.StatusForbidden)
			return
		case r.URL.Path != "/":
			http.NotFound(w, r)
			return
		}
		var out bytes.Buffer
		list, err := Open(dirs...)
		if err == nil {
			var p *Page
			if p, err = Runs(list).Page(); err == nil {
				p.Watch = true
				err = p.HTML(&out)
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		sum := sha256.Sum256(out.Bytes())
		tag := `"` + hex.EncodeToString(sum[:8]) + `"`
		w.Header().Set("ETag", tag)
		w.Header().Set("Cache-Control", "no-store")
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(out.Bytes()) // the reader may have left
	})
}
