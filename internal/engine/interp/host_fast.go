//go:build 386 || amd64 || arm64 || loong64 || ppc64le

package interp

// fastHost says that the loops may run here. They read and write a guest's numbers in place, as the host's own: it
// has to be little-endian and to allow misaligned access.
const fastHost = true
