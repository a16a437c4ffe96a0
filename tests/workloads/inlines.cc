// SPDX-License-Identifier: BSD-2-Clause
/* C++ with namespaces, templates, lambdas and several levels of inlining; some of it in functions
 * within functions. Maps memory at the innermost and waits. */
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#define ALWAYS __attribute__((always_inline)) inline
#define NEVER  __attribute__((noinline))

namespace store
{
namespace
{
volatile unsigned sink;
}

ALWAYS void *map_pages(size_t n)
{
	void *pages =
		mmap(nullptr, n << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sink = sink + static_cast<unsigned>(n);
	return pages;
}

template <typename T> class Table
{
      public:
	NEVER explicit Table(size_t n) : rows(grow(n))
	{
		fill(static_cast<T>(n));
	}

	~Table()
	{
		sink = sink + static_cast<unsigned>(rows.size());
	}

	NEVER T sum(const std::map<std::string, T> &weights) const
	{
		T total{};

		for (const auto &row : rows)
			total += row;
		for (const auto &[name, weight] : weights)
			total += weight * static_cast<T>(name.size());
		return total;
	}

	NEVER void operator+=(T value)
	{
		std::for_each(rows.begin(), rows.end(), [value](T &row) {
			row += value;
			sink = sink + 1;
		});
		std::sort(rows.begin(), rows.end(), [](T a, T b) { return b < a; });
	}

	void *pages{};

      private:
	ALWAYS std::vector<T> grow(size_t n)
	{
		pages = map_pages(n);
		return std::vector<T>(n);
	}

	ALWAYS void fill(T value)
	{
		for (auto &row : rows)
			row = value--;
	}

	std::vector<T> rows;
};

struct Visitor {
	virtual ~Visitor() = default;
	virtual unsigned visit(unsigned depth) = 0;
};

NEVER unsigned walk(Visitor &visitor, unsigned depth)
{
	return depth ? visitor.visit(depth) + walk(visitor, depth - 1) : 0;
}
} // namespace store

extern "C" NEVER unsigned plain_c(const char *text)
{
	struct Local : store::Visitor {
		unsigned visit(unsigned depth) override
		{
			void *pages = store::map_pages(depth);

			memset(pages, 1, 4096);
			return depth & 1;
		}
	} local;

	return store::walk(local, static_cast<unsigned>(strlen(text)));
}

NEVER int throws(int n)
{
	try {
		if (n > 1)
			throw std::string("many");
		return n;
	} catch (const std::string &why) {
		return static_cast<int>(why.size());
	}
}

int main(int argc, char **argv)
{
	store::Table<double> doubles(static_cast<size_t>(argc) * 64);
	auto ints = std::make_unique<store::Table<int>>(argc * 16);

	*ints += 3;
	doubles += 0.5;
	printf("%g %d %u %d\n", doubles.sum({{"a", 1}, {"bc", 2}}), ints->sum({}), plain_c(argv[0]),
	       throws(argc));
	fflush(stdout);
	pause();
	return 0;
}
