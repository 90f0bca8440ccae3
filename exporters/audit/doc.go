// Package audit lists every run that a journal has, for auditors: who asked for it, who
// approved it before it began, on what evidence it went on, what was done and checked, and
// what was out of the ordinary. What is missing is named; nothing is concluded that no
// event says.
//
// It is pure. docs/audit.md says what each column and each finding means, and what relgate
// does not do.
package audit
