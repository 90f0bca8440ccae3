package audit

// Columns are the head of the CSV.
var Columns = columns
