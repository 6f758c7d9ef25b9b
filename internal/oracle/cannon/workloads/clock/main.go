//go:debug decoratemappings=0

// Command clock reads clocks and random bytes, sleeps, and exits with code 1.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"time"
)

func main() {
	began := time.Now()
	for n := range 40 {
		b := make([]byte, n)
		if _, err := rand.Read(b); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		fmt.Printf("%x %d\n", b, time.Since(began).Nanoseconds())
		time.Sleep(time.Duration(n) * 10 * time.Microsecond)
	}
	fmt.Println(began.Unix(), os.Getpid(), os.Getenv("GODEBUG"), os.Args)
	os.Stdout.Write([]byte{0, 1, 0xff, '\n'})
	os.Stderr.Write(make([]byte, 5_000))
	os.Exit(1)
}
