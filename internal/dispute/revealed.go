package dispute

// Revealed are the nodes of claims' histories that can be read from transactions. A claim may be refuted without a match
// if what it has shown contradicts a step that was executed.
type Revealed struct {
	nodes map[node]Hash
}

type node struct {
	claim, height int
	index         uint64
}

// Observe learns from an action that is about to succeed. Actions must be observed in the order in which they happen.
func (r *Revealed) Observe(t *Task, a Action) {
	if r.nodes == nil {
		r.nodes = map[node]Hash{}
	}
	switch a.Kind {
	case Join:
		// The claim is the next one in the list.
		r.path(len(t.Claims), 1<<t.LevelOf(a.Tournament).Height-1, a.Root, a.Proof)
	case Move, Seal:
		m := &t.Matches[a.Match]
		claim, index := m.Sides[m.Turn], m.Position>>m.Height
		r.nodes[node{claim, m.Height - 1, 2 * index}] = a.Left
		r.nodes[node{claim, m.Height - 1, 2*index + 1}] = a.Right
		half := uint64(0)
		if a.Left == m.Left {
			half = 1
		}
		rival := m.Sides[1-m.Turn]
		switch {
		case a.Kind == Move:
			r.nodes[node{claim, m.Height - 2, 4*index + 2*half}] = a.ChildLeft
			r.nodes[node{claim, m.Height - 2, 4*index + 2*half + 1}] = a.ChildRight
		case half == 1:
			// Root and Proof are not looked at then, and may be anything.
			r.nodes[node{rival, 0, m.Position}] = a.Left
		case m.Position > 0:
			agreed := m.Position - 1
			r.path(claim, agreed, a.Root, a.Proof)
			// The rival has the same to the left of the disagreement.
			r.nodes[node{rival, 0, agreed}] = a.Root
			for k, sibling := range a.Proof {
				if i := agreed>>k ^ 1; (i+1)<<k <= agreed+1 {
					r.nodes[node{rival, k, i}] = sibling
				}
			}
		}
	}
}

func (r *Revealed) path(claim int, position uint64, leaf Hash, proof []Hash) {
	r.nodes[node{claim, 0, position}] = leaf
	for k, sibling := range proof {
		r.nodes[node{claim, k, position>>k ^ 1}] = sibling
	}
}

// Leaf returns a claim's leaf, and its proof, if they can be known; height is that of the claim's history.
func (r *Revealed) Leaf(claim, height int, position uint64) (leaf Hash, proof []Hash, known bool) {
	leaf, known = r.nodes[node{claim, 0, position}]
	for k := 0; known && k < height; k++ {
		var sibling Hash
		sibling, known = r.nodes[node{claim, k, position>>k ^ 1}]
		proof = append(proof, sibling)
	}
	return leaf, proof, known
}
