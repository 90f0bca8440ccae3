// Package actuator is what the actuators have in common, which do at a cloud or a store what a
// rule orders: take a Lambda alias back, pause a phased release. Each reads what stands there
// right before it changes anything, refuses where the world is not as it expects, reads back
// after, and does nothing where the goal stands already.
package actuator
