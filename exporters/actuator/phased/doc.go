// Package phased pauses the phased release of an app's version on the App Store, and resumes
// it. A pause takes nothing back: who has the version keeps it, and anybody may install it by
// hand.
//
// Apple knows a third change, which gives the version to everybody at once. It cannot be sent
// from here: a change is a value of a type that has pause and resume, and no text.
package phased
