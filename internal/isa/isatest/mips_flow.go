package isatest

import "strings"

// flow makes cases of branches and jumps, forward and backward. The marker tells where control went: 1 if the
// delay slot was executed (it loses its old value), 2 if execution went on behind the delay slot, 4 if it came
// through the slot of the way back.
func (f *mipsFamily) flow(p *Program, r int) {
	pattern := &p.ISA.Patterns()[r]
	name := p.ISA.Rows[r].Name
	_, relative := pattern.Field("imm")
	_, register := pattern.Field("rs")
	pairs := f.operands(p, r)
	if !relative { // jumps look at no operands
		pairs = pairs[:20]
	}
	for n, pair := range pairs {
		c := f.start(p, r)
		fields := Fields{}
		backward := n%3 == 2
		insn, target := p.codeAddress(), p.codeAddress()+12
		if backward {
			insn, target = p.codeAddress()+16, p.codeAddress()+8
		}
		if register {
			fields["rs"] = f.register()
			if strings.Contains(name, "al") && fields["rs"] == 31 {
				fields["rs"] = 5 // the manual leaves a link over the operand unpredictable
			}
		}
		if _, ok := pattern.Field("rt"); ok {
			fields["rt"] = f.register()
			c.Regs[fields["rt"]] = pair[1]
		}
		switch {
		case relative:
			fields["imm"] = target - (insn + 4)
			c.Regs[fields["rs"]] = pair[0]
		case register:
			fields["rs"] = f.base()
			c.Regs[fields["rs"]] = target
			if _, ok := pattern.Field("rd"); ok {
				for fields["rd"] = f.register(); fields["rd"] == fields["rs"]; {
					fields["rd"] = f.register()
				}
			}
		default:
			fields["target"] = target & 0x0fff_ffff
		}
		c.Regs[0] = 0
		code := []uint32{
			Encode(p.ISA, r, fields),
			p.encode("addiu", Fields{"rt": regK0, "imm": 1}),
			p.encode("ori", Fields{"rt": regK0, "rs": regK0, "uimm": 2}),
		}
		if backward {
			code = append([]uint32{
				p.encode("beq", Fields{"imm": 12}), // to the instruction under test
				p.encode("sll", nil),
				p.encode("beq", Fields{"imm": 16}), // to the end
				p.encode("ori", Fields{"rt": regK0, "rs": regK0, "uimm": 4}),
			}, code...)
		}
		c.Code = code
		p.Add(c)
	}
}
