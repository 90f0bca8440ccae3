// Package links makes the one-time links by which a person signs from a message, and the
// page behind them.
//
// A link says who may do what in which run, and carries a signature over that. It proves
// that relgate wrote it, and nothing more: that it is used once is the journal's matter,
// where its ID is the id of the command. Mail scanners open every link, so a GET changes
// nothing: it shows a page, and only the page's form signs, while the page would still say the same.
package links
