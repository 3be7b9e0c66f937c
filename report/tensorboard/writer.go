package tensorboard

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mobilellm/internal/protowire"
)

// Pattern matches the names of event files.
const Pattern = "events.out.tfevents.*"

// Writer writes an event file. Every event is one write, so that a run that is killed
// leaves at most the last cut short.
type Writer struct {
	file *os.File
	raw  []byte
}

// Create begins a file in a folder. Files of one folder are read in the order of the times
// that they were begun at.
func Create(dir string, began time.Time) (*Writer, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	const most = 1000 // files that one process begins in a second
	for n := range most {
		name := fmt.Sprintf("events.out.tfevents.%010d.%s.%d.%d", began.Unix(), host, os.Getpid(), n)
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if os.IsExist(err) && n < most-1 {
			continue
		}
		if err != nil {
			return nil, err
		}
		w := &Writer{file: f}
		var event protowire.Message
		event.Double(eventTime, seconds(began))
		event.String(eventVersion, fileVersion)
		return w, w.write(event)
	}
	panic("tensorboard: no name tried")
}

// Name is the file's path.
func (w *Writer) Name() string { return w.file.Name() }

func (w *Writer) write(event protowire.Message) error {
	w.raw = appendRecord(w.raw[:0], event)
	_, err := w.file.Write(w.raw)
	return err
}

// Close ends the file.
func (w *Writer) Close() error { return w.file.Close() }

// Start says that a session begins whose first step is the given one: what earlier files
// have of it and of later ones is void.
func (w *Writer) Start(at time.Time, step int64) error {
	var session, event protowire.Message
	session.Int(1, sessionStart)
	event.Double(eventTime, seconds(at))
	event.Int(eventStep, step)
	event.Bytes(eventSession, session)
	return w.write(event)
}

// Scalar is a number and its name.
type Scalar struct {
	Tag   string
	Value float64
}

// Scalars writes the numbers of a step.
func (w *Writer) Scalars(at time.Time, step int64, list ...Scalar) error {
	var summary protowire.Message
	for _, s := range list {
		var value protowire.Message
		value.String(valueTag, s.Tag)
		value.Float(valueSimple, float32(s.Value))
		summary.Bytes(1, value)
	}
	return w.summary(at, step, summary)
}

// Text writes a text of a step, which is shown as Markdown.
func (w *Writer) Text(at time.Time, step int64, tag, text string) error {
	var dim, shape, tensor, plugin, metadata, value, summary protowire.Message
	dim.Int(1, 1)
	shape.Bytes(2, dim)
	tensor.Int(tensorType, typeString)
	tensor.Bytes(tensorShape, shape)
	tensor.String(tensorStrings, text)
	plugin.String(1, "text")
	metadata.Bytes(metadataPlugin, plugin)
	metadata.Int(metadataClass, classTensor)
	value.String(valueTag, tag)
	value.Bytes(valueTensor, tensor)
	value.Bytes(valueMetadata, metadata)
	summary.Bytes(1, value)
	return w.summary(at, step, summary)
}

func (w *Writer) summary(at time.Time, step int64, summary protowire.Message) error {
	var event protowire.Message
	event.Double(eventTime, seconds(at))
	event.Int(eventStep, step)
	event.Bytes(eventSummary, summary)
	return w.write(event)
}

func seconds(at time.Time) float64 { return float64(at.UnixNano()) / 1e9 }

// Hyperparameter is a key of a run's configuration. Its value is a bool, a float64 or a
// string.
type Hyperparameter struct {
	Key   string
	Value any
}

// Hyperparameters writes a run's, and the tags of the scalars that runs are compared by.
func (w *Writer) Hyperparameters(at time.Time, list []Hyperparameter, metrics ...string) error {
	list = slices.SortedFunc(slices.Values(list), func(a, b Hyperparameter) int { return cmp.Compare(a.Key, b.Key) })
	var experiment, start protowire.Message
	for _, h := range list {
		var info, value, entry protowire.Message
		kind := int64(hparamString)
		switch v := h.Value.(type) {
		case bool:
			kind = hparamBool
			value.Bool(4, v)
		case float64:
			kind = hparamFloat
			value.Double(2, v)
		case string:
			value.String(3, v)
		default:
			return fmt.Errorf("hyperparameter %s is a %T", h.Key, h.Value)
		}
		info.String(1, h.Key)
		info.Int(4, kind)
		experiment.Bytes(4, info)
		entry.String(1, h.Key)
		entry.Bytes(2, value)
		start.Bytes(1, entry)
	}
	for _, tag := range metrics {
		var name, info protowire.Message
		name.String(2, tag)
		info.Bytes(1, name)
		experiment.Bytes(5, info)
	}
	start.Double(5, seconds(at))
	if err := w.hparams(at, "experiment", pluginExperiment, experiment); err != nil {
		return err
	}
	return w.hparams(at, "session_start_info", pluginStart, start)
}

// End says how a run ended.
func (w *Writer) End(at time.Time, finished bool) error {
	var end protowire.Message
	status := int64(statusFailure)
	if finished {
		status = statusSuccess
	}
	end.Int(1, status)
	end.Double(2, seconds(at))
	return w.hparams(at, "session_end_info", pluginEnd, end)
}

func (w *Writer) hparams(at time.Time, tag string, field int, content protowire.Message) error {
	var data, plugin, metadata, dim, shape, tensor, value, summary protowire.Message
	data.Bytes(field, content)
	plugin.String(1, "hparams")
	plugin.Bytes(2, data)
	metadata.Bytes(metadataPlugin, plugin)
	metadata.Int(metadataClass, classTensor)
	dim.Int(1, 1)
	shape.Bytes(2, dim)
	tensor.Int(tensorType, typeFloat)
	tensor.Bytes(tensorShape, shape)
	tensor.Float(tensorFloats, 0)
	value.String(valueTag, "_hparams_/"+tag)
	value.Bytes(valueTensor, tensor)
	value.Bytes(valueMetadata, metadata)
	summary.Bytes(1, value)
	return w.summary(at, 0, summary)
}

// Files are the event files of a folder, in the order that they are read in.
func Files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), strings.TrimSuffix(Pattern, "*")) {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	return list, nil
}
