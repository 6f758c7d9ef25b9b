package merkle

import "testing"

func BenchmarkPair(b *testing.B) {
	var l, r Hash
	for b.Loop() {
		l = Pair(&l, &r)
	}
}

func BenchmarkHashPairs(b *testing.B) {
	const n = 256
	var h [2 * n]Hash
	for b.Loop() {
		HashPairs(h[:n], h[:])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/hash")
}

func BenchmarkKeccak256State(b *testing.B) {
	var state [188]byte
	for b.Loop() {
		h := Keccak256(state[:])
		copy(state[:], h[:])
	}
}

func BenchmarkProofRoot(b *testing.B) {
	p := sparseProof(1 << 20)
	for b.Loop() {
		p.Leaf = p.Root(12345)
	}
}

func BenchmarkHashMessages(b *testing.B) {
	const n, size = 64, 298
	var h [n]Hash
	data := make([]byte, n*size)
	for b.Loop() {
		HashMessages(h[:], data, size)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/hash")
}
