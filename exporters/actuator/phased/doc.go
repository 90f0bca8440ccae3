// Package phased pauses the phased release of an app's version on the App Store. A pause takes
// nothing back: who has the version keeps it, and anyone may install it by hand.
//
// Apple knows other changes, and one of them gives the version to everyone at once. They cannot
// be sent from here: the one request that changes something has the state PAUSED written in it.
package phased
