// Package archive brings the review of a run to where a team keeps them: a folder, a
// repository on GitHub, a space in Confluence.
//
// Each archive has one file or page for a run. What it writes is marked with the run and its
// UID, so that it finds its own again, brings it up to date, and never touches what is
// another's, also not that of a run that had the same id in a journal that was lost. So
// an attempt that was cut off anywhere, also after the other side had done what it was asked
// for, is simply made again.
package archive
