// Package wire is the one JSON schema of what leaves the house: the bodies of the
// gate, the data of webhooks, the JSON of the command line. Names are camelCase and
// every field is always there. Numbers, times and objects that are not known are
// null; a text that is not there is empty. A number that has a unit is in the unit
// that stands beside it, as people read it: {"value":0.296,"threshold":1,"unit":"%"}.
//
// The package also holds what a gate answers ([Answer]): all that show a gate must
// say the same of it. It makes answers and bodies from a snapshot and decides nothing
// about the release.
package wire
