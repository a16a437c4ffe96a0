// SPDX-License-Identifier: BSD-2-Clause

import java.util.Arrays;
import java.util.Random;

/** Allocates arrays of 16 KiB to 1 MiB, of which the last 128 live, for the milliseconds given, half of them
 * to warm up. Prints how many a second, and the 99th percentile of what one took, in nanoseconds. */
public class Allocate {
	private static final byte[][] live = new byte[128][];
	private static final long[] took = new long[1 << 20];

	private static int allocate(Random random, long until) {
		int n = 0;

		for (long began = System.nanoTime(), end; began < until && n < took.length; began = end) {
			live[n % live.length] = new byte[(16 << 10) + random.nextInt((1 << 20) - (16 << 10))];
			end = System.nanoTime();
			took[n++] = end - began;
		}
		return n;
	}

	public static void main(String[] args) {
		long half = Long.parseLong(args[0]) * 1_000_000 / 2;
		Random random = new Random(1);

		allocate(random, System.nanoTime() + half);
		long began = System.nanoTime();
		int n = allocate(random, began + half);
		long all = System.nanoTime() - began;
		Arrays.sort(took, 0, n);
		System.out.printf("%.1f %d%n", n * 1e9 / all, took[n * 99 / 100]);
	}
}
