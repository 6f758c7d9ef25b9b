package machine

import (
	"testing"

	"github.com/flexemu/flexemu/internal/merkle"
)

const benchPages = 16384 // 64 MiB

func benchMemory() *Memory {
	m := NewMemory()
	dirtyAll(m, 1)
	m.Root()
	return m
}

// dirtyAll changes every leaf.
func dirtyAll(m *Memory, v uint64) {
	for addr := uint64(0); addr < benchPages*PageSize; addr += 32 {
		m.WriteSlow(addr, 8, true, addr+v)
	}
}

func BenchmarkRootAllPagesDirty(b *testing.B) {
	m := benchMemory()
	n := uint64(1)
	for b.Loop() {
		b.StopTimer()
		n++
		dirtyAll(m, n)
		b.StartTimer()
		m.Root()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchPages, "ns/page")
}

func BenchmarkRootOnePageDirty(b *testing.B) {
	m := benchMemory()
	n := uint64(0)
	for b.Loop() {
		n++
		m.WriteSlow(n%4*PageSize*1000, 8, true, n)
		m.Root()
	}
}

func BenchmarkRootThousandWords(b *testing.B) {
	m := benchMemory()
	x := uint64(1)
	for b.Loop() {
		for range 1000 {
			x = x*6364136223846793005 + 1442695040888963407
			m.WriteSlow(x>>30%(benchPages*PageSize)&^7, 8, true, x)
		}
		m.Root()
	}
}

func BenchmarkWordProofRoot(b *testing.B) {
	m := benchMemory()
	n := uint64(0)
	var p merkle.Proof
	for b.Loop() {
		n++
		m.WriteSlow(PageSize*1000+n%64*8, 8, true, n)
		p = m.Proof(PageSize*2000 + n%128*32)
		m.Root()
	}
	if p.Root((PageSize*2000+n%128*32)/32) != m.Root() {
		b.Fatal("wrong proof")
	}
}

func BenchmarkFork(b *testing.B) {
	m := benchMemory()
	for b.Loop() {
		m.Fork()
	}
}

// BenchmarkForkAndTouch is a fork with the first read and write of 64 pages.
func BenchmarkForkAndTouch(b *testing.B) {
	m := benchMemory()
	for b.Loop() {
		f := m.Fork()
		for i := range uint64(64) {
			f.WriteSlow(i*PageSize*200, 8, true, f.ReadSlow(i*PageSize*200, 8, true))
		}
	}
}

// BenchmarkReadMiss goes through more pages than Reads has entries.
func BenchmarkReadMiss(b *testing.B) {
	m := benchMemory()
	m.Root()
	i := uint64(0)
	for b.Loop() {
		i++
		m.ReadSlow(i*PageSize*7%(benchPages*PageSize), 8, true)
	}
}

func BenchmarkWriteMiss(b *testing.B) {
	m := benchMemory()
	dirtyAll(m, 1)
	i := uint64(0)
	for b.Loop() {
		i++
		m.WriteSlow(i*PageSize*7%(benchPages*PageSize), 8, true, i)
	}
}

// BenchmarkFill is the first write to each page of a new memory.
func BenchmarkFill(b *testing.B) {
	for b.Loop() {
		m := NewMemory()
		for i := range uint64(benchPages) {
			m.WriteSlow(i*PageSize, 8, true, i)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchPages, "ns/page")
}
