package ir

// Inline tells which computed values a printer may write where they are used, instead of giving them a
// name: those used once, in the same list of statements, with nothing between that could change what they
// read. Loads keep their place because order matters in a witness; selections and high products because
// Go needs statements for them.
func Inline(f *Func) map[*Node]bool {
	inlined := map[*Node]bool{}
	inlineList(f.Body, inlined)
	return inlined
}

func inlineList(list []*Stmt, inlined map[*Node]bool) {
	consumer := map[*Node]int{} // position of the statement in this list that uses the node
	effects := make([]int, len(list)+1)
	for i, s := range list {
		s.Each(func(inner []*Stmt) { inlineList(inner, inlined) })
		effects[i+1] = effects[i]
		if s.Kind != Let {
			effects[i+1]++
		}
		for _, n := range operands(s) {
			consumer[n] = i
		}
	}
	final := make([]int, len(list)) // where the text of statement i ends up
	for i := len(list) - 1; i >= 0; i-- {
		final[i] = i
		s := list[i]
		if s.Kind != Let || s.A.Uses != 1 || !movable(s.A.Op) {
			continue
		}
		c, here := consumer[s.A]
		if !here {
			continue
		}
		at := final[c]
		if !s.A.Op.Pure() && effects[at] != effects[i+1] {
			continue // what it reads stands before the effect; its user, if moved too, comes later
		}
		final[i] = at
		inlined[s.A] = true
	}
}

func movable(op Op) bool {
	switch op {
	case Select, MulHighU, MulHighS, MulHighSU:
		return false
	}
	return op.Pure() || op == GetReg || op == GetCell
}

func operands(s *Stmt) []*Node {
	if s.Kind == Let {
		return s.A.Args
	}
	var list []*Node
	for _, n := range []*Node{s.A, s.B, s.C} {
		if n != nil {
			list = append(list, n)
		}
	}
	return list
}
