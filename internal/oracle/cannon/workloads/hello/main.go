//go:debug decoratemappings=0

// Command hello prints a line: mostly the start of the Go runtime.
package main

import "fmt"

func main() { fmt.Println("hello, world") }
