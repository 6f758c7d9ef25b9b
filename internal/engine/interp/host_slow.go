//go:build !(386 || amd64 || arm64 || loong64 || ppc64le)

package interp

// fastHost says that the loops must not run here: on a big-endian host, or one whose processors round addresses
// down, they would be wrong. Every instruction goes through Step, which is right everywhere.
const fastHost = false
