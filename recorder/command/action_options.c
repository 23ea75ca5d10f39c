/* Options that ask for something else than a recording, and how much is said about it. */
#include "recorder/command/options.h"

static etw_status apply_list_sessions(const etw_option_use *use)
{
    etw_record_arguments_of(use)->action = ETW_RECORD_LIST_SESSIONS;
    return ETW_OK;
}

static etw_status apply_list_providers(const etw_option_use *use)
{
    etw_record_arguments_of(use)->action = ETW_RECORD_LIST_PROVIDERS;
    etw_record_arguments_of(use)->action_name = use->value;
    return ETW_OK;
}

static etw_status apply_list_provider(const etw_option_use *use)
{
    etw_record_arguments_of(use)->action = ETW_RECORD_LIST_PROVIDER;
    etw_record_arguments_of(use)->action_name = use->value;
    return ETW_OK;
}

static etw_status apply_list_counters(const etw_option_use *use)
{
    etw_record_arguments_of(use)->action = ETW_RECORD_LIST_COUNTERS;
    return ETW_OK;
}

static etw_status apply_catalog(const etw_option_use *use)
{
    etw_record_arguments_of(use)->action = ETW_RECORD_CATALOG;
    return ETW_OK;
}

static const etw_option_word boot_words[] = {{"install", ETW_BOOT_INSTALL},
                                             {"remove", ETW_BOOT_REMOVE},
                                             {"collect", ETW_BOOT_COLLECT},
                                             {NULL, 0}};

static etw_status apply_boot(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    uint32_t step = 0;
    if (!etw_option_word_find(boot_words, use->value, &step)) {
        return etw_option_bad_value(use, "install, remove or collect");
    }
    arguments->action = ETW_RECORD_BOOT;
    arguments->boot = (etw_record_boot_step)step;
    return ETW_OK;
}

static etw_status apply_kill(const etw_option_use *use)
{
    etw_record_arguments_of(use)->action = ETW_RECORD_KILL;
    etw_record_arguments_of(use)->action_name = use->value;
    return ETW_OK;
}

static const etw_option rows[] = {
    {.name = "list-sessions", .help = "list all sessions", .apply = apply_list_sessions},
    {.name = "list-providers",
     .value = "TEXT",
     .value_is_optional = true,
     .help = "list registered providers whose name contains TEXT",
     .apply = apply_list_providers},
    {.name = "list-provider",
     .value = "NAME",
     .help =
         "list this provider's keywords, levels, channels, tasks and opcodes, then its events with "
         "their properties and maps",
     .apply = apply_list_provider},
    {.name = "list-counters",
     .help = "list the processor's counters, for --pmc and --counters, and their intervals",
     .apply = apply_list_counters},
    {.name = "catalog",
     .help = "write the schemas of all registered providers into a schema pack, named with -o",
     .apply = apply_catalog},
    {.name = "boot",
     .value = "STEP",
     .help = "install: let Windows record its next starts, with what --provider and --kernel name; "
             "collect: make that a recording, named with -o; remove: end it",
     .words = boot_words,
     .apply = apply_boot},
    {.name = "dry-run",
     .help = "with --boot install or remove: only tell the registry keys",
     ETW_RECORD_STORES(dry_run)},
    {.name = "kill", .value = "NAME", .help = "stop this session", .apply = apply_kill},
    {.name = "reclaim",
     .help = "stop sessions that crashed recorders left behind",
     ETW_RECORD_STORES(reclaim_first)},
};

const etw_option_section etw_action_options = {"Sessions of the system (Windows)", rows,
                                               ETW_COUNT_OF(rows)};

static const etw_option other_rows[] = {
    {.name = "profile",
     .value = "FILE",
     .help = "read options from a file, one 'option = value' per line",
     .hint = ETW_HINT_FILE,
     .apply = etw_apply_profile},
    {.name = "log",
     .value = "FILE",
     .help = "append messages to this file, each with its time, instead of stderr",
     .hint = ETW_HINT_FILE,
     ETW_RECORD_STORES(log)},
    {.name = "quiet",
     .letter = 'q',
     .help = "print no summary and no progress",
     ETW_RECORD_STORES(quiet)},
    ETW_OPTION_HELP,
    ETW_OPTION_VERSION,
};

const etw_option_section etw_other_options = {"Other", other_rows, ETW_COUNT_OF(other_rows)};
