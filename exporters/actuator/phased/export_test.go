package phased

// Sent are the states that can be sent.
func Sent() []string { return []string{pause.state(), resume.state()} }
