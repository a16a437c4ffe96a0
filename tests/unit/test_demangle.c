// SPDX-License-Identifier: BSD-2-Clause
/* Names of C++ and Rust: user/child/demangle.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "child/demangle.h"
#include "util/clock.h"
#include "util/utf8.h"

static void known_names(void **state)
{
	static const struct {
		const char *mangled, *name;
	} cases[] = {
		/* C++ */
		{"_ZN2ns1fEi", "ns::f(int)"},
		{"_ZNKSt6vectorIiSaIiEE4sizeEv",
		 "std::vector<int, std::allocator<int> >::size() const"},
		{"_ZN12_GLOBAL__N_14growEm", "(anonymous namespace)::grow(unsigned long)"},
		{"_ZN1AC2Ev", "A::A()"},
		{"_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()() const"},
		{"_ZN3foo3barEv.constprop.0", "foo::bar() [clone .constprop.0]"},
		{"_ZTV1A", "vtable for A"},
		{"_Znwm", "operator new(unsigned long)"},
		/* Rust, legacy: the hash goes */
		{"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"},
		{"_ZN42_$LT$str$u20$as$u20$core..fmt..Display$GT$3fmt17h0d1d4bd5e4d2a9c4E",
		 "<str as core::fmt::Display>::fmt"},
		{"_ZN5alloc7raw_vec19RawVec$LT$T$C$A$GT$16reserve_for_push17h3a1b2c3d4e5f6a7bE",
		 "alloc::raw_vec::RawVec<T,A>::reserve_for_push"},
		/* Rust, v0: the disambiguator of the crate goes */
		{"_RNvC6_123foo3bar", "123foo::bar"},
		{"_RNvMs_NtCs1234_7mycrate3fooNtB4_3Bar4push", "<mycrate::foo::Bar>::push"},
		{"_RINvNtC3std3mem8align_ofjE", "std::mem::align_of::<usize>"},
		{"_RNvC7mycrateu8gdel_5qa", "mycrate::g\xc3\xb6"
					    "del"},
	};
	/* C, Go and nonsense stay as they are. */
	static const char *const others[] = {
		"",
		"_",
		"_Z",
		"_R",
		"main",
		"malloc",
		"__libc_malloc",
		"main.(*T).Grow",
		"runtime.main",
		"_ZN",
		"_ZNonsense",
		"_Rubbish",
		"_Z\x80\xff",
		"_ZN99999999999999999999aE",
		"Z1fv",
	};
	char text[DEMANGLE_OUT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!demangle__name(cases[i].mangled, text))
			fail_msg("%s", cases[i].mangled);
		assert_string_equal(text, cases[i].name);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		strcpy(text, "untouched");
		if (demangle__name(others[i], text))
			fail_msg("%s became %s", others[i], text);
		assert_string_equal(text, "untouched");
	}
}

static void long_names(void **state)
{
	char mangled[DEMANGLE_IN_MAX + 100] = "_ZN3000", text[DEMANGLE_OUT_MAX];

	memset(mangled + 7, 'a', 3000);
	strcpy(mangled + 3007, "E");
	assert_true(demangle__name(mangled, text));
	assert_int_equal(strlen(text), 3000);
	/* A longer one than is read. */
	memcpy(mangled, "_ZN4100", 7);
	memset(mangled + 7, 'a', 4100);
	strcpy(mangled + 4107, "E");
	assert_false(demangle__name(mangled, text));
}

/* Each template argument is a pair of the one before: 2^n texts. */
static void small_names_of_enormous_things(void **state)
{
	char mangled[DEMANGLE_IN_MAX] = "_Z1fI1AIiiE", text[DEMANGLE_OUT_MAX];
	static const char digits[] = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	uint64_t began, spent;

	for (const char *digit = digits; *digit; digit++)
		snprintf(mangled + strlen(mangled), sizeof(mangled) - strlen(mangled),
			 "S0_IS%c_S%c_E", *digit, *digit);
	strcat(mangled, "Evv");
	began = clock__thread_cpu_ns();
	assert_true(demangle__name(mangled, text));
	spent = clock__thread_cpu_ns() - began;
	print_message("%zu bytes → %zu bytes\n", strlen(mangled), strlen(text));
	assert_int_equal(strlen(text), DEMANGLE_OUT_MAX - 1);
	assert_string_equal(text + strlen(text) - 3, "...");
	assert_true(spent < 5 * NSEC_PER_SEC);
}

/* Deep, not wide: it must not run out of stack. */
static void deep_names(void **state)
{
	static const struct {
		const char *head, *unit;
	} cases[] = {
		{"_Z1f", "P"},	  {"_Z1fI", "Xnt"},    {"_Z1f", "1AI"},	    {"_Z1f", "F"},
		{"_Z1fDT", "cl"}, {"_Z", "Z1fvE"},     {"_Z1fI", "J"},	    {"_ZN", "1AIN"},
		{"_R", "NvC1a"},  {"_RINvC1a1b", "T"}, {"_RINvC1a1b", "R"}, {"_Z", "L"},
		{"_Z1f", "M1A"},  {"_Z1fIX", "cv"},    {"_Z1fI", "LZ1f"},   {"_Z1f", "U1a"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char mangled[DEMANGLE_IN_MAX], text[DEMANGLE_OUT_MAX];
		size_t at = strlen(cases[i].head), unit = strlen(cases[i].unit);

		strcpy(mangled, cases[i].head);
		while (at + unit + 1 < sizeof(mangled)) {
			memcpy(mangled + at, cases[i].unit, unit + 1);
			at += unit;
		}
		mangled[at - 1] = 'i';
		demangle__name(mangled, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_names),
		cmocka_unit_test(long_names),
		cmocka_unit_test(small_names_of_enormous_things),
		cmocka_unit_test(deep_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
