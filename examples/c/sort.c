// sort [COUNT]: sorts pseudo-random numbers, half of them by quicksort, half by heapsort, merges the halves, and prints
// a checksum that depends on their order.
#include "bare.h"

enum { LIMIT = 1 << 20 };

static uint32_t numbers[LIMIT], merged[LIMIT];

static void swap(uint32_t *a, uint32_t *b) {
    uint32_t old = *a;
    *a = *b;
    *b = old;
}

static void quicksort(uint32_t *first, uint32_t *last) {
    while (first < last) {
        uint32_t pivot = first[(last - first) / 2], *low = first, *high = last;
        while (low <= high) {
            while (*low < pivot)
                low++;
            while (*high > pivot)
                high--;
            if (low <= high)
                swap(low++, high--);
        }
        // The longer part is left to the loop, so the stack stays logarithmic.
        if (high - first < last - low) {
            quicksort(first, high);
            first = low;
        } else {
            quicksort(low, last);
            last = high;
        }
    }
}

static void sink(uint32_t *heap, size_t root, size_t count) {
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count)
            return;
        if (child + 1 < count && heap[child] < heap[child + 1])
            child++;
        if (heap[root] >= heap[child])
            return;
        swap(&heap[root], &heap[child]);
        root = child;
    }
}

static void heapsort(uint32_t *heap, size_t count) {
    for (size_t root = count / 2; root-- > 0;)
        sink(heap, root, count);
    for (size_t last = count; last-- > 1;) {
        swap(&heap[0], &heap[last]);
        sink(heap, 0, last);
    }
}

static void merge(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count, uint32_t *to) {
    while (a_count > 0 || b_count > 0) {
        if (b_count == 0 || (a_count > 0 && *a <= *b)) {
            *to++ = *a++;
            a_count--;
        } else {
            *to++ = *b++;
            b_count--;
        }
    }
}

int main(int argc, char **argv) {
    size_t count = number(argc, argv, 1, 600);
    if (count < 2 || count > LIMIT)
        return 1;
    uint64_t seed = 88172645463325252;
    for (size_t i = 0; i < count; i++)
        numbers[i] = (uint32_t)(random64(&seed) >> 32);
    size_t half = count / 2;
    quicksort(numbers, numbers + half - 1);
    heapsort(numbers + half, count - half);
    merge(numbers, half, numbers + half, count - half, merged);

    uint32_t checksum = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && merged[i - 1] > merged[i])
            return 1;
        checksum = checksum * 31 + merged[i];
    }
    line("sorted", count);
    line("checksum", checksum);
    return 0;
}
