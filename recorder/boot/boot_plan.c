#include "recorder/boot/boot_plan.h"

#include <inttypes.h>

#define KERNEL_FILE "EtwcapBootKernel"

/* A plan being told. */
typedef struct telling {
    const etw_boot_request *request;
    etw_boot_visit visit;
    void *context;
    etw_error *error;
    etw_status status; /* of the first failure */
    etw_text key;
} telling;

static void tell(telling *plan, etw_boot_value value)
{
    value.key = etw_text_z(&plan->key);
    if (plan->status == ETW_OK && plan->key.failed) {
        plan->status = etw_error_set(plan->error, ETW_ERROR_NO_MEMORY, "out of memory for a plan");
    }
    if (plan->status == ETW_OK) {
        plan->status = plan->visit(plan->context, &value, plan->error);
    }
}

static void tell_number(telling *plan, const char *name, uint64_t number)
{
    tell(plan, (etw_boot_value){.name = name, .kind = ETW_BOOT_NUMBER, .number = number});
}

/* Settings whose default is Windows' own are left out. */
static void tell_if_set(telling *plan, const char *name, uint32_t number)
{
    if (number != 0) {
        tell_number(plan, name, number);
    }
}

static const char *session_name(const etw_boot_request *request)
{
    return request->session->name == NULL ? ETW_BOOT_SESSION : request->session->name;
}

void etw_boot_append_file(const char *windows_folder, const char *session, etw_text *text)
{
    etw_text_printf(text, "%s\\" ETW_BOOT_LOG_FOLDER "\\%s.etl", windows_folder,
                    session == NULL ? KERNEL_FILE : session);
}

static void tell_session(telling *plan, const char *name)
{
    const etw_session_options *options = plan->request->session;
    const uint32_t most = plan->request->max_file_mb;
    etw_text file = {0};
    etw_boot_append_file(plan->request->windows_folder, name, &file);
    tell(plan,
         (etw_boot_value){.name = "FileName", .kind = ETW_BOOT_TEXT, .text = etw_text_z(&file)});
    etw_text_free(&file);
    tell_number(plan, "LogFileMode", 1); /* EVENT_TRACE_FILE_MODE_SEQUENTIAL */
    tell_number(plan, "MaxFileSize", most == 0 ? ETW_BOOT_DEFAULT_MB : most);
    tell_number(plan, "ClockType",
                options->clock_type == 0 ? (uint32_t)ETW_CLOCK_QPC : options->clock_type);
    tell_if_set(plan, "BufferSize", options->buffer_size_kb);
    tell_if_set(plan, "MinimumBuffers", options->minimum_buffers);
    tell_if_set(plan, "MaximumBuffers", options->maximum_buffers);
    tell_if_set(plan, "FlushTimer", options->flush_seconds);
}

static void tell_provider(telling *plan, const char *session, const etw_provider_options *provider)
{
    etw_text_clear(&plan->key);
    etw_text_printf(&plan->key, ETW_BOOT_AUTOLOGGER "\\%s\\", session);
    etw_text_append_guid(&plan->key, &provider->id);
    tell_number(plan, "EnableLevel", provider->level);
    tell(plan, (etw_boot_value){.name = "MatchAnyKeyword",
                                .kind = ETW_BOOT_LONG_NUMBER,
                                .number = provider->any_keyword});
    if (provider->all_keyword != 0) {
        tell(plan, (etw_boot_value){.name = "MatchAllKeyword",
                                    .kind = ETW_BOOT_LONG_NUMBER,
                                    .number = provider->all_keyword});
    }
    tell_if_set(plan, "EnableProperty", provider->enable_properties);
    tell_number(plan, "Enabled", 1);
}

static void tell_autologger(telling *plan)
{
    const etw_session_options *options = plan->request->session;
    const char *name = session_name(plan->request);
    const etw_guid id = etw_guid_from_provider_name(name);
    etw_text guid = {0};
    for (uint32_t i = 0; i < options->provider_count; i++) {
        tell_provider(plan, name, &options->providers[i]);
    }
    etw_text_clear(&plan->key);
    etw_text_printf(&plan->key, ETW_BOOT_AUTOLOGGER "\\%s", name);
    etw_text_append_guid(&guid, &id);
    tell(plan, (etw_boot_value){.name = "Guid", .kind = ETW_BOOT_TEXT, .text = etw_text_z(&guid)});
    etw_text_free(&guid);
    tell_session(plan, name);
    tell_number(plan, "Start", 1);
}

static void tell_kernel(telling *plan)
{
    uint32_t masks[ETW_KERNEL_MASKS];
    memcpy(masks, plan->request->session->kernel_groups, sizeof masks);
    masks[0] = plan->request->session->kernel_flags;
    etw_text_clear(&plan->key);
    etw_text_append_z(&plan->key, ETW_BOOT_GLOBAL_LOGGER);
    tell(plan,
         (etw_boot_value){.name = "EnableKernelFlags", .kind = ETW_BOOT_MASKS, .masks = masks});
    tell_session(plan, NULL);
    tell_number(plan, "Start", 1);
}

static bool has_filters(const etw_provider_options *provider)
{
    return provider->event_ids.count > 0 || provider->stack_ids.count > 0 ||
           provider->process_id_count > 0 || provider->executable_names != NULL ||
           provider->package_ids != NULL || provider->payload_filter != NULL ||
           provider->event_names != NULL || provider->stack_names != NULL ||
           provider->stack_level.is_set || provider->provider_arguments != NULL ||
           provider->capture_state;
}

/* A name that is one key, and one file. */
static bool is_plain(const char *name)
{
    return name[0] != '\0' && strpbrk(name, "\\/:*?\"<>|") == NULL && strlen(name) < 200;
}

static etw_status check(const etw_boot_request *request, etw_error *error)
{
    const etw_session_options *options = request->session;
    if (options->provider_count == 0 && !etw_session_wants_kernel(options)) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "a boot trace needs a provider or kernel events");
    }
    if (!is_plain(session_name(request))) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "'%s' is no name for a session of the boot: it is a registry key and "
                             "a file as well",
                             session_name(request));
    }
    for (uint32_t i = 0; i < options->provider_count; i++) {
        if (has_filters(&options->providers[i])) {
            return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                                 "a session of the boot enables providers by level, keywords and "
                                 "properties alone: no filters, no state");
        }
    }
    return options->attach || options->kernel_stack_count > 0 || options->counter_count > 0 ||
                   options->sampled_counter_count > 0
               ? etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                               "a session of the boot has no kernel stacks and no counters, and "
                               "attaches to nothing")
               : ETW_OK;
}

etw_status etw_boot_plan(const etw_boot_request *request, etw_boot_visit visit, void *context,
                         etw_error *error)
{
    telling plan = {.request = request, .visit = visit, .context = context, .error = error};
    plan.status = check(request, error);
    if (plan.status == ETW_OK && etw_session_wants_kernel(request->session)) {
        tell_kernel(&plan);
    }
    if (plan.status == ETW_OK && request->session->provider_count > 0) {
        tell_autologger(&plan);
    }
    etw_text_free(&plan.key);
    return plan.status;
}

void etw_boot_append_value(const etw_boot_value *value, etw_text *text)
{
    etw_text_printf(text, "HKEY_LOCAL_MACHINE\\%s: %s = ", value->key, value->name);
    switch (value->kind) {
    case ETW_BOOT_NUMBER:
        etw_text_printf(text, "%" PRIu64, value->number);
        break;
    case ETW_BOOT_LONG_NUMBER:
        etw_text_printf(text, "0x%" PRIX64, value->number);
        break;
    case ETW_BOOT_TEXT:
        etw_text_append_utf8(text, (const uint8_t *)value->text, strlen(value->text),
                             ETW_ESCAPE_LINE);
        break;
    case ETW_BOOT_MASKS:
        for (uint32_t i = 0; i < ETW_KERNEL_MASKS; i++) {
            etw_text_printf(text, "%s%08" PRIX32, i == 0 ? "" : " ", value->masks[i]);
        }
        break;
    }
}
