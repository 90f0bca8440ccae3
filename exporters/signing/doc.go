// Package signing keeps the keys that proofs are signed with: one that signs, and the
// public parts of those that signed before. They stand in one file, which its owner alone
// may read. A private part leaves this package as a signature only.
package signing
