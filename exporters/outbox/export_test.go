package outbox

// What tests count by.
const (
	Batch      = batch
	QueueLimit = queueLimit
	SaveEvery  = saveEvery
	SkipEvery  = skipEvery
	SkipWithin = skipWithin
)
