// The command guest does what its arguments say, for the tests of the command line.
//
//go:debug decoratemappings=0
package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	what := "show"
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	switch what {
	case "show":
		for i, a := range os.Args {
			fmt.Printf("argument %d %q\n", i, a)
		}
		for _, e := range os.Environ() {
			fmt.Printf("environment %q\n", e)
		}
	case "exit":
		code, err := strconv.Atoi(os.Args[2])
		if err != nil {
			panic(err)
		}
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
		os.Exit(code)
	case "lines": // without end
		for i := 0; ; i++ {
			fmt.Println("line", i)
		}
	case "spin":
		fmt.Println("spinning")
		for i := 0; ; i++ {
			sink = i
		}
	}
}

var sink int
