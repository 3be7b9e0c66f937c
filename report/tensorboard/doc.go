// Package tensorboard writes and reads TensorBoard's event files: scalars, texts and
// hyperparameters of a run.
//
// A file is a row of records as TFRecord frames them: the length (uint64, little endian),
// its masked CRC-32C (uint32), the data and theirs. Each holds an Event, a protocol buffer;
// the first says the version, "brain.Event:2". A file of a run that goes on begins with
// SessionLog START, at which TensorBoard drops what earlier files have from that step on.
//
// https://www.tensorflow.org/tutorials/load_data/tfrecord;
// tensorboard/compat/proto/event.proto, summary.proto and plugins/hparams/plugin_data.proto
// have the fields' numbers.
package tensorboard
