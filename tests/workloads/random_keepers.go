// SPDX-License-Identifier: BSD-2-Clause

// "keep MEGABYTES SEED" on stdin: keepMost and keepSome take turns at random, 3 to 1, to keep small objects.
// "press MEGABYTES SEED": and each throws away two for each that it keeps, while the collector runs all the time.
// Answers "BYTES BYTES", of each.
package main

import (
	"fmt"
	"math/rand"
	"runtime/debug"
)

type node struct {
	next *node
	data []byte
}

var mostOf, someOf, thrownAway *node

func allocate(next *node) *node {
	data := make([]byte, 16+rand.Intn(240))
	for i := range data {
		data[i] = 1
	}
	return &node{next, data}
}

//go:noinline
func keepMost(waste int) int {
	for i := 0; i < waste; i++ {
		thrownAway = allocate(nil)
	}
	mostOf = allocate(mostOf)
	return 32 + len(mostOf.data)
}

//go:noinline
func keepSome(waste int) int {
	for i := 0; i < waste; i++ {
		thrownAway = allocate(nil)
	}
	someOf = allocate(someOf)
	return 32 + len(someOf.data)
}

func main() {
	var verb string
	var megabytes, seed int
	fmt.Println("ready")
	for {
		if n, _ := fmt.Scan(&verb, &megabytes, &seed); n != 3 {
			return
		}
		waste := 0
		if verb == "press" {
			waste = 2
			debug.SetGCPercent(20)
		}
		rand.Seed(int64(seed))
		most, some := 0, 0
		for most+some < megabytes<<20 {
			if rand.Intn(4) > 0 {
				most += keepMost(waste)
			} else {
				some += keepSome(waste)
			}
		}
		fmt.Println(most, some)
	}
}
