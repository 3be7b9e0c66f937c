package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"mobilellm/internal/atomicfile"
	"mobilellm/internal/cli"
	"mobilellm/report"
	"mobilellm/report/tensorboard"
)

const reportDescription = `Show how runs went, over each other.

The page is one file that loads nothing: curves to zoom into, over steps, tokens or
time; configurations and where they differ; machine, profile, samples and interruptions.
--watch serves it to this machine and follows runs that go on. --tensorboard writes
TensorBoard's event files of runs that have none, beside their metrics.jsonl or, with
--out, into a folder for each run in DIR.`

const reportExamples = `  mobilellm-train report runs/quickstart-1 --out quickstart.html
  mobilellm-train report runs/5m-1 runs/5m-2 --out both.html
  mobilellm-train report runs/quickstart-1 --watch
  mobilellm-train report --tensorboard runs/5m-1 runs/5m-2`

// reportFlags are those of mobilellm-train report.
type reportFlags struct {
	out         string
	watch       bool
	port        uint16
	tensorboard bool
}

func newReport() *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:     "report RUN...",
		Short:   "Show how runs went: a page, or TensorBoard's files",
		Long:    reportDescription,
		Example: reportExamples,
		Args:    cli.SomeArguments("run's folder"),
		RunE: func(c *cobra.Command, args []string) error {
			err := f.main(c, args)
			if errors.Is(err, fs.ErrNotExist) {
				err = cli.Usagef("%w\nhint: a run's folder is wanted, such as runs/quickstart-1", err)
			}
			return err
		},
	}
	l := c.Flags()
	l.StringVar(&f.out, "out", "", "the page (report.html), or with --tensorboard a folder")
	l.BoolVar(&f.watch, "watch", false, "serve the page to this machine and follow the runs, until Ctrl-C")
	l.Uint16Var(&f.port, "port", 0, "with --watch: the port (0 takes a free one)")
	l.BoolVar(&f.tensorboard, "tensorboard", false, "write TensorBoard's event files instead")
	return c
}

func (f *reportFlags) main(c *cobra.Command, args []string) error {
	switch {
	case f.watch && (f.tensorboard || f.out != ""):
		return cli.Usagef("--watch goes without --out and --tensorboard: it writes nothing")
	case f.port != 0 && !f.watch:
		return cli.Usagef("--port goes with --watch")
	}
	list, err := report.Open(args...)
	if err != nil {
		return err
	}
	switch {
	case f.watch:
		return f.serve(c, args)
	case f.tensorboard:
		return f.events(c, list)
	}
	p, err := report.Runs(list).Page()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := p.HTML(&out); err != nil {
		return err
	}
	path := f.out
	if path == "" {
		path = "report.html"
	}
	if err := atomicfile.Write(path, out.Bytes()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.ErrOrStderr(), "written to %s\n", path)
	return err
}

// events writes event files.
func (f *reportFlags) events(c *cobra.Command, list []*report.Run) error {
	for _, r := range list {
		dir := r.Dir
		if f.out != "" {
			dir = filepath.Join(f.out, r.Name)
		}
		written, err := report.WriteTensorBoard(r, dir)
		switch {
		case err != nil:
			return err
		case written:
			fmt.Fprintf(c.ErrOrStderr(), "written to %s\n", dir)
		default:
			fmt.Fprintf(c.ErrOrStderr(), "%s has TensorBoard's files already (%s)\n", dir, tensorboard.Pattern)
		}
	}
	return nil
}

// serve serves the page until the command is interrupted.
func (f *reportFlags) serve(c *cobra.Command, dirs []string) error {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", f.port))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: report.Handler(dirs), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(c.ErrOrStderr(), "http://%s/ follows the runs until Ctrl-C\n", listener.Addr())
	stop := context.AfterFunc(c.Context(), func() { _ = server.Close() }) // its error is that of the listener, which is closed
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
