package rules

func Diff(old, new *Plan) []Change { return []Change{{Path: "release"}} }
