//go:debug decoratemappings=0

// Command maps inserts, finds and sorts strings: memory in many pages, and the
// garbage collector.
package main

import (
	"fmt"
	"slices"
	"strconv"
)

func main() {
	total, longest := 0, ""
	for round := range 4 {
		seen := map[string]int{}
		x := uint64(round) + 1
		for i := range 10_000 {
			x = x*6364136223846793005 + 1442695040888963407
			seen[strconv.FormatUint(x>>40, 36)] += i
		}
		keys := make([]string, 0, len(seen))
		for k, n := range seen {
			keys = append(keys, k)
			total += n
		}
		slices.Sort(keys)
		longest = max(longest, keys[len(keys)-1])
	}
	fmt.Println(total, longest)
}
