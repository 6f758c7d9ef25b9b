/* What compilers make of integers, with no library: products and quotients of all widths, bit fields, byte
   order, unaligned data, tables of jumps, atomic operations, traps. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

u64 products(u64 a, u64 b, u32 c, u32 d)
{
	u64 wide = (u64)c * d;
	i64 narrow = (i64)(i32)c * (i32)d;
	return a * b + wide + narrow + c * d + (a >> 33) * b;
}

u64 accumulated(u64 sum, u32 a, u32 b, i32 c, i32 d)
{
	sum += (u64)a * b;
	sum -= (i64)c * d;
	return sum + (i64)c * d;
}

i64 quotients(i64 a, i64 b, u64 c, u64 d, i32 e, i32 f)
{
	return a / b + a % b + c / d + c % d + e / f + e % f + (u32)e / (u32)f + (u32)e % (u32)f + a / 10 + c % 1000;
}

u64 shifts(u64 a, u32 b, i64 c, i32 d, unsigned n)
{
	u64 r = a << n ^ a >> n ^ (u64)(c >> n) ^ a << 5 ^ a >> 40 ^ (u64)(c >> 35);
	r += b << n ^ b >> n ^ (u32)(d >> n) ^ b << 3 ^ b >> 9 ^ (u32)(d >> 7);
	return r ^ (a >> n | a << (-n & 63)) ^ (b >> n | b << (-n & 31)) ^ (a >> 11 | a << 53) ^ (b >> 11 | b << 21) ^ (a >> 45 | a << 19);
}

u64 bits(u64 a, u32 b)
{
	struct { u64 x : 7, y : 33, z : 24; } s;
	__builtin_memcpy(&s, &a, 8);
	s.y = b;
	s.x = a >> 20;
	__builtin_memcpy(&a, &s, 8);
	b = (b & ~(0xfffu << 5)) | (a & 0xfff) << 5;
	return a + __builtin_bswap64(a) + __builtin_bswap32(b) + __builtin_bswap16((u16)b) +
	       (b ? __builtin_clz(b) : 0) + (a ? __builtin_clzll(a) : 0) + (i64)(signed char)a + (i64)(short)b + (a >> 3 & 0x3ff) + (b >> 9 & 0xf);
}

struct __attribute__((packed)) loose { u8 tag; u16 half; u32 word; u64 twice; };

u64 unaligned(struct loose *a, const struct loose *b)
{
	a->word = b->word + 1;
	a->twice = b->twice + 1;
	a->half = b->half + 1;
	return a->word + a->twice + a->half;
}

int table(int n, int x)
{
	switch (n) {
	case 0: return x + 1;
	case 1: return x * 3;
	case 2: return x - 9;
	case 3: return x ^ 0x55;
	case 4: return x / 7;
	case 5: return -x;
	case 6: return ~x;
	case 7: return x << 4;
	}
	return n < 0 ? x : n;
}

long atomics(long *p, int *q, long v)
{
	long r = __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);
	r += __atomic_exchange_n(q, (int)v, __ATOMIC_ACQ_REL);
	__atomic_compare_exchange_n(p, &r, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	r += __atomic_fetch_or(q, 6, __ATOMIC_RELEASE);
	__sync_synchronize();
	return r;
}

int loops(const signed char *s, short *h, unsigned n)
{
	int sum = 0;
	for (unsigned i = 0; i < n; i++) {
		sum += s[i] > 0 ? s[i] : h[i] <= 0 ? -1 : 2;
		if (s[i] >= h[i])
			h[i] = s[i];
		__builtin_prefetch(s + i + 64);
	}
	return sum;
}

void __start(long *stack)
{
	static struct loose x, y;
	static long p;
	static int q;
	u64 a = stack[0];
	a += products(a, a + 1, a + 2, a + 3) + accumulated(a, a, a, a, a) + quotients(a, 3, a, 7, a, 9);
	a += shifts(a, a, a, a, a & 31) + bits(a, a) + unaligned(&x, &y) + table(a & 7, a) + atomics(&p, &q, a);
	a += loops((signed char *)stack, (short *)stack, a & 15);
	if (a == 0x1234)
		__builtin_trap();
	for (;;)
		;
}
