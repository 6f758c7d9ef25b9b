package emit

import "strings"

// frequent are instructions that often follow one another, most often first. The loop executes such a pair
// with one dispatch, which is what costs an interpreter most. They were counted over Go programs (hashing,
// maps, garbage collection, an EVM) and C ones; any other list is as right, only slower. The first of a pair
// must not jump.
var frequent = map[string]string{
	"mips": `
		daddiu bne, daddu daddiu, slt bne, xor daddu, daddiu slt, ld ld, sb daddiu, or slt, dsll daddu, lw or,
		slt daddiu, sd sd, slt beq, lwu lwu, dsrl or, daddu sltu, sd ld, or or, daddu daddu, lui daddu, mfhi mflo,
		sltu daddu, dmultu mfhi, ld sd, daddu lwu, daddiu daddiu, sw addiu, daddiu daddu, or xor, daddi sd,
		sltu bne, dsll32 dsrl32, sd daddi, ld daddi, sll sll, dsll or, daddu ld, daddiu dsll, dsll dsrl, dsll slt,
		ld sltu, daddu slt, lw dsll, daddiu sd, xor dsll, addiu sw, daddu lbu, mflo daddu, ld beq, or dsll,
		sd daddiu, and xor, ld daddu, addu addiu, sll addu, srl or, or addu, addu lw, lw lw, lw addu, sw sw, sw lw,
		addiu bne, lw addiu, addiu addiu, sltu addu, addu sltu, xor addu, sll or, xor xor, srl xor, xor and, lui addiu,
		lui ori, sltu beq, andi bne, andi beq, lbu bne, lbu addiu, slt bne, addu addu, sll srl, srl addu`,
	"riscv": `
		addi addi, addi bne, c.addi bne, c.addi c.addi, c.addi c.bnez, slli add, slli srli, c.slli c.srli, c.slli c.add,
		c.add c.lw, c.add c.ld, c.ld c.ld, c.lw c.lw, c.sd c.sd, c.sw c.sw, c.mv c.mv, c.mv c.add, c.add c.add,
		c.ldsp c.ldsp, c.sdsp c.sdsp, c.lwsp c.lwsp, c.swsp c.swsp, lw lw, ld ld, sw sw, sd sd, add lw, add ld,
		xor xor, c.xor c.xor, srliw slliw, srliw or, slliw or, c.srli c.or, c.slli c.or, c.addw c.addw, addw addw,
		c.addi16sp c.sdsp, lbu bne, lbu c.addi, sb addi, c.addi lbu, c.add sw, c.add sd, and xor, c.and c.xor,
		c.andi c.bnez, c.andi c.beqz, addiw bne, c.addiw bne, sltu add, sltu c.add, add sltu, c.add sltu, mul mulhu,
		c.addi blt, c.addi bltu, c.addi bgeu, c.addi bge, c.li c.mv, c.mv c.li, c.lw c.addi, c.sw c.addi`,
}

// pairs are the row numbers of the frequent pairs that the instruction set has.
func (x *exec) pairs() [][2]int {
	family := strings.TrimRight(strings.TrimSuffix(x.i.Name, "le"), "0123456789")
	rows := map[string]int{}
	for r := range x.i.Rows {
		rows[x.i.Rows[r].Name] = r
	}
	seen := map[[2]int]bool{}
	var list [][2]int
	for _, text := range strings.Split(frequent[family], ",") {
		names := strings.Fields(text)
		first, ok := rows[names[0]]
		second, also := rows[names[1]]
		if pair := [2]int{first, second}; ok && also && !seen[pair] {
			seen[pair] = true
			list = append(list, pair)
		}
	}
	return list
}
