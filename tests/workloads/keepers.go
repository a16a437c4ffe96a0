// SPDX-License-Identifier: BSD-2-Clause

// keepMuch and keepLittle of keep.go, and a function that needs a stack of 16 MiB; then it waits for
// its input to end.
package main

import (
	"fmt"
	"os"
)

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
