// SPDX-License-Identifier: BSD-2-Clause

// Two functions that keep 48 and 16 MiB, in blocks of 64 KiB, and one that needs a stack of 16 MiB; then it waits for
// its input to end.
package main

import (
	"fmt"
	"os"
)

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

//go:noinline
func descend(depth int) int {
	var frame [1024]byte
	frame[depth%len(frame)] = byte(depth)
	if depth == 0 {
		return 0
	}
	return descend(depth-1) + int(frame[(depth+1)%len(frame)])
}

//go:noinline
func needStack(done chan int) {
	done <- descend(12 << 10)
}

func main() {
	kept = make([][]byte, 0, 64<<20/block)
	keepMuch()
	keepLittle()
	done := make(chan int)
	go needStack(done)
	<-done
	fmt.Println(len(kept))
	os.Stdin.Read(make([]byte, 1))
}
