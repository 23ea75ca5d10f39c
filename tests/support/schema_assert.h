/* Asserts what a schema is, as tests/support/schema_text.h writes it. */
#ifndef ETW_TESTS_UNIT_SCHEMA_ASSERT_H
#define ETW_TESTS_UNIT_SCHEMA_ASSERT_H

#include "tests/support/schema_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static inline void assert_text(etw_text *text, const char *expected)
{
    assert_string_equal(etw_text_z(text), expected);
    etw_text_free(text);
}

static inline void assert_properties(etw_bytes blob, const char *expected)
{
    etw_text text = {0};
    append_properties(&text, blob);
    assert_text(&text, expected);
}

static inline void assert_event(etw_bytes blob, const char *expected)
{
    etw_text text = {0};
    append_event(&text, blob);
    assert_text(&text, expected);
}

static inline void assert_map(etw_bytes blob, const char *expected)
{
    etw_text text = {0};
    append_map(&text, blob);
    assert_text(&text, expected);
}

#endif
