// Package lambda reads which share of its requests an alias of AWS Lambda gives to a
// version: by its weights, as GetAlias says them. It changes nothing.
//
// The share is a level: it is what the alias says now, and exact. Whether so many of the
// requests went to the version is another question, which counts answer.
package lambda
