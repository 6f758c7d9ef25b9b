/* A program with a C library, for its many hand-written routines. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	printf("%f %d\n", sqrt(atof(argv[argc - 1])), argc);
	return 0;
}
