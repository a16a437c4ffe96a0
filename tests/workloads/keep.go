// SPDX-License-Identifier: BSD-2-Clause

// Part of keepers.go and cgo_keepers.go: two functions that keep 48 and 16 MiB, in blocks of 64 KiB.
package main

const block = 64 << 10

var kept [][]byte

//go:noinline
func keep(block []byte) {
	for at := 0; at < len(block); at += 4096 {
		block[at] = 1
	}
	kept = append(kept, block)
}

//go:noinline
func keepMuch() {
	for i := 0; i < 48<<20/block; i++ {
		keep(make([]byte, block))
	}
}

//go:noinline
func keepLittle() {
	for i := 0; i < 16<<20/block; i++ {
		keep(make([]byte, block))
	}
}
