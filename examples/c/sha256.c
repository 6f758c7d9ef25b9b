// sha256 [COUNT]: prints the hashes of the examples of FIPS 180-4, and of COUNT bytes 0, 1, … 250, 0, 1, …
#include "sha256.h"

enum { LIMIT = 1 << 24 };

static unsigned char buffer[LIMIT];

static void show(const unsigned char *data, size_t count) {
    unsigned char hash[SHA256_SIZE];
    sha256(data, count, hash);
    print_hex(hash, sizeof hash);
    print("\n");
}

int main(int argc, char **argv) {
    static const char *const texts[] = {"", "abc", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t length = 0;
        while (texts[i][length])
            length++;
        show((const unsigned char *)texts[i], length);
    }
    size_t count = number(argc, argv, 1, 1000);
    if (count > LIMIT)
        return 1;
    for (size_t i = 0; i < count; i++)
        buffer[i] = (unsigned char)(i % 251);
    show(buffer, count);
    return 0;
}
