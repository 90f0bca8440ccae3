// Package config reads a config file: TOML into the parts of a daemon, checked
// as a whole.
//
// [Load] reads the main file and what it includes, and reports everything that
// is wrong with any of them at once, each problem with its line and key path. A
// plan with an error keeps no other plan from being used.
// [Watch] says when one of the files has changed. A [Secret] stays where it is
// kept until it is used. [Price] says what the plans' questions cost a month.
//
// The shape of a plan is [rules.Spec]; what it means is package rules' business.
package config
