// sorting: a million numbers, once by quicksort and once by heapsort. Memory all over the place, branches nobody foresees.
#include "size.h"

enum { COUNT = SIZE(1000000, 100000) };

static uint32_t numbers[COUNT];

static void fill(void) {
    uint64_t seed = 88172645463325252;
    for (size_t i = 0; i < COUNT; i++)
        numbers[i] = (uint32_t)(random64(&seed) >> 32);
}

static void quicksort(uint32_t *first, uint32_t *last) {
    while (first < last) {
        uint32_t pivot = first[(last - first) / 2], *low = first, *high = last;
        while (low <= high) {
            while (*low < pivot)
                low++;
            while (*high > pivot)
                high--;
            if (low <= high) {
                uint32_t old = *low;
                *low++ = *high;
                *high-- = old;
            }
        }
        quicksort(first, high);
        first = low;
    }
}

static void sink(size_t root, size_t count) {
    uint32_t value = numbers[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && numbers[child] < numbers[child + 1])
            child++;
        if (value >= numbers[child])
            break;
        numbers[root] = numbers[child];
    }
    numbers[root] = value;
}

static void heapsort(void) {
    for (size_t root = COUNT / 2; root-- > 0;)
        sink(root, COUNT);
    for (size_t last = COUNT; last-- > 1;) {
        uint32_t top = numbers[0];
        numbers[0] = numbers[last];
        numbers[last] = top;
        sink(0, last);
    }
}

static void check(const char *name) {
    uint32_t checksum = 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (i > 0 && numbers[i - 1] > numbers[i])
            leave(1);
        checksum = checksum * 31 + numbers[i];
    }
    line(name, checksum);
}

int main(void) {
    for (int i = 0; i < REPEAT; i++) {
        fill();
        quicksort(numbers, numbers + COUNT - 1);
        check("quicksort");
        fill();
        heapsort();
        check("heapsort");
    }
    return 0;
}
