package merkle

import "testing"

func TestGen(t *testing.T) {
	var z Hash
	for i := 0; i <= Depth; i++ {
		t.Logf("%x", z)
		z = pairScalar(&z, &z)
	}
}

func TestQuick(t *testing.T) {
	var src [64]Hash
	for i := range src {
		for j := range src[i] {
			src[i][j] = byte(i*31 + j*7)
		}
	}
	for n := 0; n <= 32; n++ {
		var d, e [32]Hash
		HashPairs(d[:n], src[:])
		pairsScalar(e[:n], src[:2*n])
		if d != e {
			t.Fatal(n)
		}
	}
	if Pair(&src[3], &src[7]) != pairScalar(&src[3], &src[7]) {
		t.Fatal()
	}
}

func BenchmarkPair(b *testing.B) {
	var l, r Hash
	for b.Loop() {
		l = Pair(&l, &r)
	}
}

func BenchmarkPairs(b *testing.B) {
	var src [512]Hash
	for b.Loop() {
		HashPairs(src[:256], src[:])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/256/float64(b.N), "ns/hash")
}
