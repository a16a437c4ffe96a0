// SPDX-License-Identifier: BSD-2-Clause

// Two functions that keep memory, 3 of 4 MiB one and 1 the other, with a pause behind each round, until there is no
// more.
package main

import "time"

const mib = 1 << 20

var kept [][]byte

func keep(block []byte) {
	for at := 0; at < len(block); at += 4096 {
		block[at] = 1
	}
	kept = append(kept, block)
}

//go:noinline
func leakMuch() {
	keep(make([]byte, 3*mib))
}

//go:noinline
func leakLittle() {
	keep(make([]byte, mib))
}

func main() {
	for {
		leakMuch()
		leakLittle()
		time.Sleep(100 * time.Millisecond)
	}
}
