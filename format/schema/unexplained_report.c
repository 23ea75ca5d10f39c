#include "format/schema/unexplained_report.h"

#include "format/schema/provider_names.h"

/* By ETW_KEY_...: what an option for sources of schemas takes. */
static const char *const advice[] = {[ETW_KEY_EVENT] = "a manifest, a Windows folder or a pack",
                                     [ETW_KEY_CLASSIC] =
                                         "a MOF file of the class, another trace or a pack",
                                     [ETW_KEY_MESSAGE] = "their TMF files, or the program's PDB"};

typedef struct report {
    void (*say)(void *context, const char *line);
    void *context;
    const etw_schema_store *names;
    const char *option;
    bool was_advised[sizeof advice / sizeof advice[0]]; /* once for each form is enough */
    etw_text line;
} report;

static void say_line(report *r)
{
    r->say(r->context, etw_text_z(&r->line));
    etw_text_clear(&r->line);
}

static void say(report *r, uint8_t form)
{
    if (r->option != NULL && !r->was_advised[form]) {
        etw_text_printf(&r->line, "; %s takes %s", r->option, advice[form]);
        r->was_advised[form] = true;
    }
    say_line(r);
}

static void say_row(report *r, const etw_unexplained_row *row)
{
    const char *name = etw_schema_store_provider_name(r->names, &row->guid);
    name = name == NULL ? etw_well_known_provider_name(&row->guid) : name;
    etw_unexplained_append_line(&r->line, row, name);
    say(r, row->form);
}

static void say_rest(report *r, uint64_t events, uint64_t providers)
{
    etw_text_append_count(&r->line, events);
    etw_text_append_z(&r->line, events == 1 ? " event of " : " events of ");
    etw_text_append_count(&r->line, providers);
    etw_text_append_z(&r->line, providers == 1 ? " more provider has no schema either"
                                               : " more providers have no schema either");
    say_line(r);
}

/* A program has a message GUID for each of its files, which mean nothing to anybody: one line. */
static void say_messages(report *r, uint64_t messages)
{
    etw_text_append_count(&r->line, messages);
    etw_text_append_z(&r->line, messages == 1 ? " WPP message has no format"
                                              : " WPP messages have no format");
    say(r, ETW_KEY_MESSAGE);
}

void etw_unexplained_report(etw_unexplained *unexplained, const etw_schema_store *names,
                            const char *option, void (*say_to)(void *context, const char *line),
                            void *context)
{
    report r = {.say = say_to, .context = context, .names = names, .option = option};
    uint32_t count;
    uint32_t named = 0;
    uint64_t messages = 0, said = 0, others = 0;
    const etw_unexplained_row *rows = etw_unexplained_rows(unexplained, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].form == ETW_KEY_MESSAGE) {
            messages += rows[i].events;
        } else if (named < ETW_UNEXPLAINED_NAMED) {
            say_row(&r, &rows[i]);
            said += rows[i].events;
            named++;
        } else {
            others++;
        }
    }
    const uint64_t rest = etw_unexplained_events(unexplained) - messages - said;
    if (rest > 0) {
        say_rest(&r, rest, others);
    }
    if (messages > 0) {
        say_messages(&r, messages);
    }
    etw_text_free(&r.line);
}
