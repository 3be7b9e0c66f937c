package tensorboard

const fileVersion = "brain.Event:2"

// Numbers of fields and enums that are written and read.
const (
	eventTime, eventStep, eventVersion, eventSummary, eventSession = 1, 2, 3, 5, 7

	sessionStart = 1

	valueTag, valueSimple, valueTensor, valueMetadata = 1, 2, 8, 9

	metadataPlugin, metadataClass = 1, 4
	classTensor                   = 2

	tensorType, tensorShape, tensorFloats, tensorStrings = 1, 2, 5, 8
	typeFloat, typeString                                = 1, 7

	pluginExperiment, pluginStart, pluginEnd = 2, 3, 4
	statusSuccess, statusFailure             = 1, 2
	hparamString, hparamBool, hparamFloat    = 1, 2, 3
)
