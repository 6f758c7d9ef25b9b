package arm64

// MovImm appends rd := v, in the fewest of movz, movn, movk and orr: one that makes a number resembling v, and a movk for
// each 16 bits that differ. Up to four instructions; numbers below 2^32 take two at most.
func (a *Asm) MovImm(rd Reg, v uint64) {
	if rd >= ZR { // orr would take the zero register for the stack pointer
		panic("arm64: a number goes into a general register")
	}
	d := uint32(rd)
	word, made := resembling(v)
	a.word(word | d)
	for n := range uint(4) {
		if part := uint32(v >> (16 * n) & 0xffff); part != uint32(made>>(16*n)&0xffff) {
			a.word(0xf2800000 | uint32(n)<<21 | part<<5 | d) // movk
		}
	}
}

// subsets are the sets of parts of 16 bits that are left to movk, the smaller ones first. With three left any number is made.
var subsets = [...]uint{0b0000, 0b0001, 0b0010, 0b0100, 0b1000, 0b0011, 0b0101, 0b1001, 0b0110, 0b1010, 0b1100}

// resembling gives an instruction that makes a number differing from v in the fewest parts.
//
// For a part that is left to movk it is enough to try 0, 0xffff and the other parts of v: instructions of one make numbers
// that repeat after 16 or 32 bits, where a part equals another; or that are one run of ones in 64 bits or in 32, where a
// run that begins or ends inside of the part can as well begin or end at its edge.
func resembling(v uint64) (word uint32, made uint64) {
	fills := [...]uint64{0, 0xffff, v & 0xffff, v >> 16 & 0xffff, v >> 32 & 0xffff, v >> 48}
	for _, left := range subsets {
		if word, made, ok := resemblingOutside(v, left, fills[:]); ok {
			return word, made
		}
	}
	word, _ = single(v & 0xffff)
	return word, v & 0xffff
}

// resemblingOutside is resembling for a set of parts that may differ, given as bits.
func resemblingOutside(v uint64, left uint, fills []uint64) (word uint32, made uint64, ok bool) {
	for n := range uint(4) {
		if left>>n&1 == 0 {
			continue
		}
		for _, fill := range fills {
			filled := v&^(0xffff<<(16*n)) | fill<<(16*n)
			if word, made, ok = resemblingOutside(filled, left&^(1<<n), fills); ok {
				return word, made, true
			}
		}
		return 0, 0, false
	}
	word, ok = single(v)
	return word, v, ok
}

// single gives the one instruction that makes v, with X0 as destination, if there is one.
func single(v uint64) (word uint32, ok bool) {
	if n, part, ok := onePart(v); ok {
		return 0xd2800000 | n<<21 | part<<5, true // movz
	}
	if n, part, ok := onePart(^v); ok {
		return 0x92800000 | n<<21 | part<<5, true // movn
	}
	if mask, ok := bitmask(v); ok {
		return 0xb2000000 | mask | uint32(ZR)<<5, true // orr
	}
	if v>>32 != 0 {
		return 0, false
	}
	// The narrow forms clear the upper half.
	if n, part, ok := onePart(v ^ 0xffffffff); ok {
		return 0x12800000 | n<<21 | part<<5, true // movn
	}
	mask, ok := bitmask(v<<32 | v)
	return 0x32000000 | mask | uint32(ZR)<<5, ok // orr
}

// onePart finds the part of 16 bits outside of which v is zero.
func onePart(v uint64) (n, part uint32, ok bool) {
	for ; v > 0xffff; v >>= 16 {
		if v&0xffff != 0 {
			return 0, 0, false
		}
		n++
	}
	return n, uint32(v), true
}
