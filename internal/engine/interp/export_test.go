package interp

// Pairs gives the row numbers of the pairs that the loop of an instruction set executes at once.
func Pairs(name string) [][2]int {
	var list [][2]int
	for p := range loops[name].pairs {
		list = append(list, [2]int{int(p[0]) - firstRow, int(p[1]) - firstRow})
	}
	return list
}
