// Package banner is the sink of messages that an app shows to its users: it asks for them
// here, so that they are told also while relgate's way to the app is closed, and cost the
// app one small request that is usually answered by 304.
//
// What is shown is made from the events of the journal, so a restart changes nothing.
package banner
