// SPDX-License-Identifier: BSD-2-Clause
/*
 * map_keepers: "keep MEGABYTES SEED" on stdin: keep_most() and keep_some() take turns at random, 3
 * to 1, to insert strings into a std::map each. Answers "BYTES BYTES", of each.
 */
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>

using strings = std::map<uint64_t, std::string>;

static uint64_t state;

/* Behind each call there is something to do, so that none is a jump, and the two are not one. */
static volatile unsigned calls;

static uint64_t draw()
{
	uint64_t z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* A node is what the map adds to a pair, and the pair. */
static size_t insert(strings &map)
{
	size_t len = 16 + draw() % 240;

	map.emplace(draw(), std::string(len, 'x'));
	return 32 + sizeof(strings::value_type) + len + 1;
}

__attribute__((noinline)) static size_t keep_most(strings &map)
{
	size_t len = insert(map);

	calls++;
	return len;
}

__attribute__((noinline)) static size_t keep_some(strings &map)
{
	size_t len = insert(map);

	calls += 2;
	return len;
}

int main()
{
	unsigned long megabytes, seed;
	strings most_of, some_of;

	setvbuf(stdout, nullptr, _IOLBF, 0);
	puts("ready");
	while (scanf(" keep %lu %lu", &megabytes, &seed) == 2) {
		size_t most = 0, some = 0;

		state = seed;
		while (most + some < megabytes << 20) {
			if (draw() % 4)
				most += keep_most(most_of);
			else
				some += keep_some(some_of);
		}
		printf("%zu %zu\n", most, some);
	}
}
