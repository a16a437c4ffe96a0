// SPDX-License-Identifier: BSD-2-Clause

// A Go program that grows: methods, closures, a map, goroutines; then it waits for its input to end.
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
)

type Arena struct {
	blocks [][]byte
}

type sizes []int

func (s sizes) Len() int           { return len(s) }
func (s sizes) Less(i, j int) bool { return s[i] < s[j] }
func (s sizes) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

//go:noinline
func (a *Arena) Grow(size int) int {
	block := make([]byte, size)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	a.blocks = append(a.blocks, block)
	return len(a.blocks)
}

func (a *Arena) total() int {
	n := 0
	for _, block := range a.blocks {
		n += len(block)
	}
	return n
}

//go:noinline
func index(words []string) map[string]int {
	index := make(map[string]int)
	for i, word := range words {
		index[strings.ToUpper(word)] += i
	}
	return index
}

func main() {
	var wait sync.WaitGroup
	var lock sync.Mutex
	arena := &Arena{}
	all := sizes{3 << 20, 1 << 20, 2 << 20}
	sort.Sort(all)
	for _, size := range all {
		wait.Add(1)
		go func(size int) {
			defer wait.Done()
			lock.Lock()
			defer lock.Unlock()
			arena.Grow(size)
		}(size)
	}
	wait.Wait()
	fmt.Println(arena.total(), len(index(os.Args)))
	os.Stdin.Read(make([]byte, 1))
}
