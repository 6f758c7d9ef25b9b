// preimage: local input 1 is the keccak-256 hash of some data. Sends a hint, reads the data and prints its SHA-256 hash.
// The same protocol in Go, with its description: examples/preimage.
#include "sha256.h"

enum { LIMIT = 1 << 20, KEY = 32, LOCAL = 1, KECCAK = 2 };

static unsigned char data[LIMIT];

// The machine takes and gives at most 8 bytes a call, so all of these may be short.
static void write_all(int descriptor, const void *bytes, size_t count) {
    for (size_t done = 0; done < count;) {
        long n = system_call(__NR_write, descriptor, (long)bytes + (long)done, (long)(count - done), 0);
        if (n <= 0)
            leave(2);
        done += (size_t)n;
    }
}

static void read_all(int descriptor, void *bytes, size_t count) {
    for (size_t done = 0; done < count;) {
        long n = system_call(__NR_read, descriptor, (long)bytes + (long)done, (long)(count - done), 0);
        if (n <= 0)
            leave(2);
        done += (size_t)n;
    }
}

// get gives the length of the data of a key, which is in the buffer then.
static size_t get(const unsigned char key[KEY]) {
    unsigned char prefix[8];
    write_all(PREIMAGE_WRITE, key, KEY);
    read_all(PREIMAGE_READ, prefix, sizeof prefix);
    uint64_t length = 0;
    for (size_t i = 0; i < sizeof prefix; i++)
        length = length << 8 | prefix[i];
    if (length > LIMIT)
        leave(2);
    read_all(PREIMAGE_READ, data, (size_t)length);
    return (size_t)length;
}

// hint sends a text, whose length goes first, and waits until it was taken.
static void hint(const char *text, unsigned char length) {
    unsigned char prefix[4] = {0, 0, 0, length}, answer;
    write_all(HINT_WRITE, prefix, sizeof prefix);
    write_all(HINT_WRITE, text, length);
    read_all(HINT_READ, &answer, 1);
}

int main(void) {
    unsigned char key[KEY] = {LOCAL};
    key[KEY - 1] = 1;
    if (get(key) != KEY)
        return 2;
    for (int i = 0; i < KEY; i++)
        key[i] = data[i];

    char text[9 + 2 * KEY] = "keccak 0x";
    for (int i = 0; i < 2 * KEY; i++)
        text[9 + i] = "0123456789abcdef"[key[i / 2] >> (i % 2 ? 0 : 4) & 15];
    hint(text, sizeof text);

    key[0] = KECCAK;
    size_t length = get(key);
    unsigned char hash[SHA256_SIZE];
    sha256(data, length, hash);
    print_decimal(length);
    print(" bytes, SHA-256 ");
    print_hex(hash, sizeof hash);
    print("\n");
    return 0;
}
