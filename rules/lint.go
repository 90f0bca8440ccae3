package rules

func (c *compiler) lint() {}
