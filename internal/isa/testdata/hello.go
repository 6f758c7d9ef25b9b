// Command hello is a small program with all of Go's runtime.
package main

import "fmt"

func main() { fmt.Println("hello") }
