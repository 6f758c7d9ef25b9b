package sender

// A point of the curve y² = x³ + 7 in Jacobian coordinates: (x/z², y/z³), or the point at infinity
// where z is zero.
type point struct{ x, y, z element }

// generator is the curve's base point. Source: SEC 2, section 2.4.1.
var generator = point{
	x: element{0x59f2815b16f81798, 0x029bfcdb2dce28d9, 0x55a06295ce870b07, 0x79be667ef9dcbbac},
	y: element{0x9c47d08ffb10d4b8, 0xfd17b448a6855419, 0x5da4fbfc0e1108a8, 0x483ada7726a3c465},
	z: one,
}

// lift is the point with that x and a y that is odd or even. It tells whether there is one.
func lift(x element, odd bool) (point, bool) {
	p := point{x: x, z: one}
	var square element
	square.square(&x)
	square.mul(&square, &x)
	square.add(&square, &element{7})
	if !p.y.root(&square) {
		return p, false
	}
	p.y.normalize()
	if p.y[0]&1 == 1 != odd {
		p.y.sub(&element{}, &p.y)
	}
	return p, true
}

// double sets p to p + p.
//
// With L = 3/2·x², S = y² and U = x·S: x' = L² - 2U, y' = L·(U - x') - S², z' = y·z. That takes one
// multiplication more than the formulas with the fewest, and eight additions less.
func (p *point) double() {
	var l, s, u, t element
	t.square(&p.x)
	l.half(&t)
	l.add(&l, &t)
	s.square(&p.y)
	u.mul(&p.x, &s)
	p.z.mul(&p.y, &p.z)
	p.x.square(&l)
	p.x.sub(&p.x, &u)
	p.x.sub(&p.x, &u)
	u.sub(&u, &p.x)
	s.square(&s)
	p.y.mul(&l, &u)
	p.y.sub(&p.y, &s)
}

// add sets p to p + q, or to p - q.
func (p *point) add(q *point, minus bool) {
	flat := q.z == one
	if !flat && q.z.isZero() {
		return
	}
	if p.z.isZero() {
		*p = *q
		if minus {
			p.y.sub(&element{}, &p.y)
		}
		return
	}
	var zz, v, t element
	u, s := p.x, p.y
	if !flat {
		zz.square(&q.z)
		u.mul(&p.x, &zz)
		zz.mul(&zz, &q.z)
		s.mul(&p.y, &zz)
	}
	zz.square(&p.z)
	v.mul(&q.x, &zz)
	zz.mul(&zz, &p.z)
	t.mul(&q.y, &zz)
	if minus {
		t.sub(&element{}, &t)
	}
	v.sub(&v, &u) // the difference of the two x, times both z²
	t.sub(&t, &s) // the difference of the two y, times both z³
	if v.isZero() {
		if t.isZero() {
			p.double()
		} else {
			*p = point{}
		}
		return
	}
	if !flat {
		p.z.mul(&p.z, &q.z)
	}
	p.z.mul(&p.z, &v)
	zz.square(&v)
	u.mul(&u, &zz)
	v.mul(&v, &zz)
	p.x.square(&t)
	p.x.sub(&p.x, &v)
	p.x.sub(&p.x, &u)
	p.x.sub(&p.x, &u)
	u.sub(&u, &p.x)
	p.y.mul(&t, &u)
	s.mul(&s, &v)
	p.y.sub(&p.y, &s)
}

// appendOddMultiples adds p, 3p, 5p and so on to the list.
func appendOddMultiples(list []point, p *point, n int) []point {
	twice, next := *p, *p
	twice.double()
	for range n {
		list = append(list, next)
		next.add(&twice, false)
	}
	return list
}

// toAffine divides the coordinates of the points, none of them at infinity, so that z is 1. It takes
// one division for all: the inverse of the product of all z, times the product of the others.
func toAffine(points []point) {
	before := make([]element, len(points))
	product := one
	for i := range points {
		before[i] = product
		product.mul(&product, &points[i].z)
	}
	var inverse element
	inverse.invert(&product)
	for i := len(points) - 1; i >= 0; i-- {
		p := &points[i]
		var z, power element
		z.mul(&inverse, &before[i])
		inverse.mul(&inverse, &p.z)
		power.square(&z)
		p.x.mul(&p.x, &power)
		power.mul(&power, &z)
		p.y.mul(&p.y, &power)
		p.z = one
	}
}
