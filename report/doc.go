// Package report shows runs: pages that open without a network, and TensorBoard's event
// files. It reads what lies in a run's folder, metrics.jsonl, run.yaml and result.json; a
// run that is under way hands it its records ([Sink]).
//
// [OpenRun] reads a run, [Runs] lays several over each other. [Page] is what every report
// of the program is: text, figures and tables in one HTML file. [Curves] are a figure that
// is drawn beforehand and that the page's script lets a reader zoom, point at, and show
// over steps, tokens or time.
//
//	list, err := report.Open("runs/a", "runs/b")
//	...
//	err = report.Runs(list).HTML(w)
package report
