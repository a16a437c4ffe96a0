// SPDX-License-Identifier: BSD-2-Clause

// Allocates slices of 16 KiB to 1 MiB, of which the last 128 live, for the milliseconds given, half of them to warm up.
// Prints how many a second, and the 99th percentile of what one took, in nanoseconds.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strconv"
	"time"
)

var live [128][]byte

func allocate(random *rand.Rand, duration time.Duration) []time.Duration {
	took := make([]time.Duration, 0, 1<<20)
	start := time.Now()
	for began := start; began.Sub(start) < duration; {
		live[len(took)%len(live)] = make([]byte, 16<<10+random.Intn(1<<20-16<<10))
		end := time.Now()
		took = append(took, end.Sub(began))
		began = end
	}
	return took
}

func main() {
	ms, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	half := time.Duration(ms) * time.Millisecond / 2
	random := rand.New(rand.NewSource(1))
	allocate(random, half)
	took := allocate(random, half)
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	fmt.Printf("%.1f %d\n", float64(len(took))/half.Seconds(), took[len(took)*99/100].Nanoseconds())
}
