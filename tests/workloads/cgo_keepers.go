// SPDX-License-Identifier: BSD-2-Clause

// As keepers.go, in a goroutine of a program with C in it, which keeps memory as well: 8 MiB by malloc, 4 MiB by mmap.
package main

/*
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *by_malloc(size_t size)
{
	return memset(malloc(size), 1, size);
}

static void *by_mmap(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memset(at, 1, size);
}
*/
import "C"

import (
	"fmt"
	"os"
	"unsafe"
)

var keptInC []unsafe.Pointer

//go:noinline
func keepInC() {
	for i := 0; i < 4; i++ {
		keptInC = append(keptInC, C.by_malloc(2<<20), C.by_mmap(1<<20))
	}
}

func main() {
	kept = make([][]byte, 0, 64<<20/block)
	done := make(chan bool)
	go func() {
		keepMuch()
		keepInC()
		done <- true
	}()
	<-done
	keepLittle()
	fmt.Println(len(kept), len(keptInC))
	os.Stdin.Read(make([]byte, 1))
}
