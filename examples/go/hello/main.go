// The command hello is the smallest guest: it prints a line.
//
//go:debug decoratemappings=0
package main

import "os"

func main() {
	os.Stdout.WriteString("hello, world\n")
}
