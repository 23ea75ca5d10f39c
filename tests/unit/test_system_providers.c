/* Kernel events by their names, in groups, and by the system providers that have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recorder/session/system_providers.h"

static void names_groups_and_sets_are_masks(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        uint32_t masks[ETW_KERNEL_MASKS];
    } rows[] = {{"PROCESS", {1}},
                {"image_load", {4}},
                {"SysProf", {0x01000007}},
                /* PROC_THREAD, LOADER, DISK_IO (with its files), HARD_FAULTS, DPC, INTERRUPT,
                 * CSWITCH, PERF_COUNTER */
                {"diageasy", {3 | 4 | 0x300 | 0x2000 | 0x20 | 0x40 | 0x10 | 8}},
                {"MEMINFO", {0, 0x80000}},
                {"syscfg_pnp", {0, 0, 0, 0, 0, 0, 0x20}},
                {"POWER", {0, 0, 0, 0, 0x8000}},
                /* as Latency without DPC, INTERRUPT and CSWITCH; MEMINFO, MEMINFO_WS */
                {"Base", {0x01002307, 0x00880000}},
                {"ResumeTrace", {0x01002307, 0, 0, 0, 0x8000}}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t masks[ETW_KERNEL_MASKS] = {0};
        assert_true(etw_kernel_name_parse(rows[i].name, masks));
        assert_memory_equal(masks, rows[i].masks, sizeof masks);
    }
    uint32_t masks[ETW_KERNEL_MASKS] = {0};
    assert_false(etw_kernel_name_parse("PERF_POWER", masks));
    /* Its bits would change the system. */
    assert_false(etw_kernel_name_parse("CLUSTER_OFF", masks));
}

static void groups_alone_ask_for_the_kernel(void **unused)
{
    (void)unused;
    etw_session_options options = {.kernel_groups = {1}};
    assert_false(etw_session_wants_kernel(&options));
    options.kernel_groups[4] = 0x8000;
    assert_true(etw_session_wants_kernel(&options));
}

static const etw_guid process = {
    0x151F55DC, 0x467D, 0x471F, {0x83, 0xB5, 0x5F, 0x88, 0x9D, 0x46, 0xFF, 0x66}};

static void flags_of_one_provider_are_its_keywords(void **unused)
{
    (void)unused;
    etw_provider_options providers[ETW_MAX_SYSTEM_PROVIDERS];
    assert_int_equal(etw_system_providers(0, providers), 0);
    assert_int_equal(etw_system_providers(1 | 2 | 4 | 0x10000, providers), 2);
    assert_true(etw_guid_equal(&providers[0].id, &process));
    assert_int_equal(providers[0].any_keyword, 0x1 | 0x800 | 0x1000);
    assert_int_equal(providers[1].any_keyword, 0x200);
    assert_int_equal(providers[1].id.Data1, 0x3D5C43E3);
}

static void every_flag_has_a_provider_and_all_fit(void **unused)
{
    (void)unused;
    etw_provider_options providers[ETW_MAX_SYSTEM_PROVIDERS];
    assert_int_equal(etw_system_providers(UINT32_MAX, providers), 9);
    for (uint32_t bit = 0; bit < 32; bit++) {
        const bool is_flag = bit < 27; /* above it stand FORWARD_WMI and the like */
        assert_int_equal(etw_system_providers(UINT32_C(1) << bit, providers), is_flag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_groups_and_sets_are_masks),
        cmocka_unit_test(groups_alone_ask_for_the_kernel),
        cmocka_unit_test(flags_of_one_provider_are_its_keywords),
        cmocka_unit_test(every_flag_has_a_provider_and_all_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
