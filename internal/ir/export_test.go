package ir

// Compute is the definition of the pure operations.
var Compute = compute
