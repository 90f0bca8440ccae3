// Package archive brings the review of a run to where a team keeps them: a folder, a
// repository on GitHub, a space in Confluence.
//
// Each archive has one file or page for a run. What it writes is marked with the run, so
// that it finds its own again, brings it up to date, and never touches what is another's. So
// an attempt that was cut off anywhere, also after the other side had done what it was asked
// for, is simply made again.
package archive
