#include "bare.h"

int main(int argc, char **argv);

// start is called by _start with the stack as it was: argc, then argv.
_Noreturn void start(uintptr_t *stack) { leave(main((int)stack[0], (char **)(stack + 1))); }

_Noreturn void leave(int code) {
    for (;;)
        system_call(__NR_exit_group, code, 0, 0, 0);
}

static void put(const char *bytes, size_t count) {
    while (count > 0) {
        long n = system_call(__NR_write, STANDARD_OUTPUT, (long)bytes, (long)count, 0);
        if (n <= 0)
            leave(125);
        bytes += n;
        count -= (size_t)n;
    }
}

void print(const char *text) {
    size_t length = 0;
    while (text[length])
        length++;
    put(text, length);
}

void print_decimal(unsigned long n) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    put(digits + at, sizeof digits - at);
}

void print_signed(long n) {
    if (n < 0)
        print("-");
    print_decimal(n < 0 ? -(unsigned long)n : (unsigned long)n);
}

void print_hex(const void *bytes, size_t count) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;
    for (size_t i = 0; i < count; i++) {
        char pair[2] = {digits[p[i] >> 4], digits[p[i] & 15]};
        put(pair, 2);
    }
}

void print_hex64(uint64_t n) {
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(n >> (56 - 8 * i));
    print_hex(bytes, sizeof bytes);
}

void line(const char *name, unsigned long n) {
    print(name);
    print(" ");
    print_decimal(n);
    print("\n");
}

int same_text(const char *a, const char *b) {
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

unsigned long number(int argc, char **argv, int index, unsigned long otherwise) {
    if (index >= argc)
        return otherwise;
    unsigned long n = 0;
    for (const char *digit = argv[index]; *digit >= '0' && *digit <= '9'; digit++)
        n = n * 10 + (unsigned long)(*digit - '0');
    return n;
}
