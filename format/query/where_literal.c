/* Values of the text, and how an event's value compares with them. */
#include "format/event/clock.h"
#include "format/query/where_tree.h"

#include <stdlib.h>

#define INCOMPARABLE 2

/* Reading. */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int digit_of(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

/* k, M, G behind a number are powers of 1024; 0 for anything else. */
static uint64_t scale_of(const char *suffix)
{
    static const char letters[] = "kmgt";
    uint64_t scale = 1;
    if (suffix[0] == '\0') {
        return 1;
    }
    const char *found = suffix[1] == '\0' ? strchr(letters, suffix[0] | 0x20) : NULL;
    for (const char *at = letters; found != NULL && at <= found; at++) {
        scale <<= 10;
    }
    return found != NULL ? scale : 0;
}

static bool read_integer(const char *text, etw_where_literal *literal)
{
    const bool is_negative = text[0] == '-';
    const char *at = text + (is_negative ? 1 : 0);
    const bool is_hex = at[0] == '0' && (at[1] | 0x20) == 'x';
    const int base = is_hex ? 16 : 10;
    uint64_t magnitude = 0;
    at += is_hex ? 2 : 0;
    if (digit_of(*at) >= base) {
        return false;
    }
    for (; digit_of(*at) < base; at++) {
        if (__builtin_mul_overflow(magnitude, (uint64_t)base, &magnitude) ||
            __builtin_add_overflow(magnitude, (uint64_t)digit_of(*at), &magnitude)) {
            return false;
        }
    }
    const uint64_t scale = is_hex ? (*at == '\0' ? 1 : 0) : scale_of(at);
    if (scale == 0 || __builtin_mul_overflow(magnitude, scale, &magnitude)) {
        return false;
    }
    literal->has_number = true;
    literal->is_negative = is_negative && magnitude > 0;
    literal->magnitude = magnitude;
    return true;
}

/* Digits, a point, an exponent: strtod would take more, and a comma in some locales. */
static bool read_real(const char *text, double *real)
{
    static const double powers[] = {1e1, 1e2, 1e4, 1e8, 1e16, 1e32, 1e64, 1e128, 1e256};
    double value = 0;
    int exponent = 0;
    bool has_digits = false;
    const char *at = text + (text[0] == '-' ? 1 : 0);
    for (; is_digit(*at); at++, has_digits = true) {
        value = value * 10 + (*at - '0');
    }
    if (*at == '.') {
        for (at++; is_digit(*at); at++, has_digits = true) {
            value = value * 10 + (*at - '0');
            exponent--;
        }
    }
    if (has_digits && (*at | 0x20) == 'e') {
        char *end;
        const long more = strtol(at + 1, &end, 10);
        if (end == at + 1 || more > 400 || more < -400) {
            return false;
        }
        exponent += (int)more;
        at = end;
    }
    if (!has_digits || *at != '\0') {
        return false;
    }
    unsigned left = (unsigned)abs(exponent);
    for (size_t i = 0; left != 0 && i < sizeof powers / sizeof powers[0]; i++, left >>= 1) {
        if ((left & 1) != 0) {
            value = exponent < 0 ? value / powers[i] : value * powers[i];
        }
    }
    *real = text[0] == '-' ? -value : value;
    return true;
}

static bool read_ipv4(const char *text, const char **end, uint8_t *ip)
{
    for (int i = 0; i < 4; i++) {
        unsigned part = 0;
        int digits = 0;
        for (; is_digit(*text) && digits < 3; text++, digits++) {
            part = part * 10 + (unsigned)(*text - '0');
        }
        if (digits == 0 || part > 255 || (i < 3 && *text++ != '.')) {
            return false;
        }
        ip[i] = (uint8_t)part;
    }
    *end = text;
    return true;
}

/* RFC 4291: groups of four hexadecimal digits, one run of zeros left out, an IPv4 address as the
 * last two groups. */
static bool read_ipv6(const char *text, const char **end, uint8_t ip[16])
{
    uint8_t groups[16] = {0};
    size_t used = 0;
    size_t gap = 17; /* where the zeros were left out; 17: nowhere */
    if (text[0] == ':' && text[1] == ':') {
        gap = 0;
        text += 2;
    }
    while (used < 16) {
        unsigned group = 0;
        int digits = 0;
        const char *at = text;
        if (used <= 12 && read_ipv4(text, &at, groups + used)) {
            used += 4;
            text = at;
            break;
        }
        for (; digit_of(*at) < 16 && digits < 4; at++, digits++) {
            group = group * 16 + (unsigned)digit_of(*at);
        }
        if (digits == 0) {
            break;
        }
        groups[used++] = (uint8_t)(group >> 8);
        groups[used++] = (uint8_t)group;
        text = at;
        if (*text != ':') {
            break;
        }
        if (text[1] == ':' && gap == 17) {
            gap = used;
            text += 2;
        } else if (digit_of(text[1]) < 16) {
            text++;
        } else {
            return false;
        }
    }
    if (gap == 17 ? used != 16 : used > 14) {
        return false;
    }
    gap = gap == 17 ? used : gap;
    memset(ip, 0, 16);
    memcpy(ip, groups, gap);
    memcpy(ip + 16 - (used - gap), groups + gap, used - gap);
    *end = text;
    return true;
}

static bool parse_ip(const char *text, uint8_t ip[16], uint32_t *size, uint32_t *prefix)
{
    const char *end = text;
    *size = read_ipv4(text, &end, ip)                                ? 4
            : strchr(text, ':') != NULL && read_ipv6(text, &end, ip) ? 16
                                                                     : 0;
    *prefix = *size * 8;
    if (*size != 0 && *end == '/' && is_digit(end[1])) {
        char *behind;
        const unsigned long bits = strtoul(end + 1, &behind, 10);
        if (bits > *prefix) {
            return false;
        }
        *prefix = (uint32_t)bits;
        end = behind;
    }
    return *size != 0 && *end == '\0';
}

/* "+5s", "-250ms": a sign, a number, a unit. */
static bool read_relative(const char *text, etw_where_literal *literal)
{
    static const struct {
        const char *name;
        double unit_100ns;
    } units[] = {{"us", 10}, {"ms", 1e4}, {"s", 1e7}, {"m", 60e7}, {"h", 3600e7}, {"d", 86400e7}};
    char number[32];
    size_t size = 0;
    double value;
    while (size < sizeof number - 1 && (is_digit(text[size + 1]) || text[size + 1] == '.')) {
        number[size] = text[size + 1];
        size++;
    }
    number[size] = '\0';
    if ((text[0] != '+' && text[0] != '-') || !read_real(number, &value)) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + 1 + size, units[i].name) == 0 && value * units[i].unit_100ns < 9e18) {
            literal->time_kind = text[0] == '+' ? ETW_WHERE_AFTER_FIRST : ETW_WHERE_BEFORE_LAST;
            literal->time_100ns = (int64_t)(value * units[i].unit_100ns + 0.5);
            return true;
        }
    }
    return false;
}

void etw_where_read_literal(etw_where_literal *literal, bool is_quoted)
{
    const char *text = literal->text;
    literal->has_guid = etw_guid_parse(text, &literal->guid);
    literal->has_real = read_real(text, &literal->real);
    if (read_integer(text, literal) && !literal->has_real) {
        literal->has_real = true;
        literal->real =
            literal->is_negative ? -(double)literal->magnitude : (double)literal->magnitude;
    }
    if (!is_quoted && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        literal->has_number = true;
        literal->magnitude = text[0] == 't' ? 1 : 0;
    }
    if (!parse_ip(text, literal->ip, &literal->ip_size, &literal->ip_prefix)) {
        literal->ip_size = 0;
    }
    if (!read_relative(text, literal) && etw_time_parse(text, &literal->time_100ns)) {
        literal->time_kind = ETW_WHERE_ABSOLUTE;
    }
}

/* Comparing. */

static int order_of(bool is_less, bool is_greater)
{
    return is_less ? -1 : is_greater ? 1 : 0;
}

static int order_real(double value, const etw_where_literal *literal)
{
    return order_of(value<literal->real, value> literal->real);
}

static int order_unsigned(uint64_t value, const etw_where_literal *literal)
{
    if (!literal->has_number) {
        return order_real((double)value, literal);
    }
    return literal->is_negative ? 1 : order_of(value<literal->magnitude, value> literal->magnitude);
}

static int order_signed(int64_t value, const etw_where_literal *literal)
{
    if (value >= 0) {
        return order_unsigned((uint64_t)value, literal);
    }
    if (!literal->has_number) {
        return order_real((double)value, literal);
    }
    const uint64_t magnitude = 0 - (uint64_t)value;
    return literal->is_negative
               ? order_of(magnitude > literal->magnitude, magnitude < literal->magnitude)
               : -1;
}

/* False where the trace's own times are not known. */
static bool time_of(const etw_where *where, const etw_where_literal *literal, int64_t *time_100ns)
{
    bool overflows = false;
    *time_100ns = literal->time_100ns;
    if (literal->time_kind == ETW_WHERE_AFTER_FIRST) {
        overflows = __builtin_add_overflow(where->first_100ns, literal->time_100ns, time_100ns);
        return where->has_first && !overflows;
    }
    if (literal->time_kind == ETW_WHERE_BEFORE_LAST) {
        overflows = __builtin_sub_overflow(where->last_100ns, literal->time_100ns, time_100ns);
        return where->has_last && !overflows;
    }
    return literal->time_kind == ETW_WHERE_ABSOLUTE;
}

/* An IPv4 address in IPv6 clothes (::ffff:10.0.0.1) is the IPv4 address. */
static const uint8_t *as_ipv4(const uint8_t *ip, uint32_t *size)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (*size == 16 && memcmp(ip, mapped, sizeof mapped) == 0) {
        *size = 4;
        return ip + sizeof mapped;
    }
    return ip;
}

/* Compares as many bits as the prefix has. */
static int order_ip(const uint8_t *ip, uint32_t size, const etw_where_literal *literal)
{
    const uint8_t *of_event = literal->ip_size == 4 ? as_ipv4(ip, &size) : ip;
    if (size != literal->ip_size) {
        return INCOMPARABLE;
    }
    const uint32_t whole = literal->ip_prefix / 8;
    const uint32_t rest = literal->ip_prefix % 8;
    const int order = memcmp(of_event, literal->ip, whole);
    if (order != 0 || rest == 0) {
        return order_of(order<0, order> 0);
    }
    const int shift = (int)(8 - rest);
    return order_of(of_event[whole] >> shift < literal->ip[whole] >> shift,
                    of_event[whole] >> shift > literal->ip[whole] >> shift);
}

etw_where_slice etw_where_operand_text(etw_where *where, const etw_operand *operand)
{
    if (operand->text != NULL) {
        return (etw_where_slice){operand->text, operand->text_size};
    }
    etw_text_clear(&where->scratch);
    if (operand->value != NULL) {
        (void)etw_value_append_text(operand->value, 0, ETW_ESCAPE_NONE, &where->scratch);
    } else if (operand->kind == ETW_OPERAND_GUID) {
        etw_text_append_guid(&where->scratch, &operand->guid);
    } else if (operand->kind == ETW_OPERAND_TIME) {
        etw_text_append_time(&where->scratch, operand->int64);
    } else if (operand->kind == ETW_OPERAND_UNSIGNED) {
        etw_text_append_u64(&where->scratch, operand->uint64);
    } else if (operand->kind == ETW_OPERAND_SIGNED) {
        etw_text_append_i64(&where->scratch, operand->int64);
    }
    return (etw_where_slice){where->scratch.size > 0 ? where->scratch.data : "",
                             where->scratch.size};
}

/* A text that is an address, or wholly a number, compares as such with one. */
static int order_text(etw_where *where, const etw_operand *operand,
                      const etw_where_literal *literal)
{
    const etw_where_slice text = etw_where_operand_text(where, operand);
    char copy[64];
    if (text.size < sizeof copy && (literal->ip_size != 0 || literal->has_real)) {
        etw_where_literal theirs = {.text = copy};
        memcpy(copy, text.text, text.size);
        copy[text.size] = '\0';
        if (literal->ip_size != 0 &&
            parse_ip(copy, theirs.ip, &theirs.ip_size, &theirs.ip_prefix)) {
            return order_ip(theirs.ip, theirs.ip_size, literal);
        }
        if (literal->has_number && read_integer(copy, &theirs)) {
            return theirs.is_negative ? (theirs.magnitude > (uint64_t)INT64_MAX
                                             ? INCOMPARABLE
                                             : order_signed(-(int64_t)theirs.magnitude, literal))
                                      : order_unsigned(theirs.magnitude, literal);
        }
        if (literal->has_real && read_real(copy, &theirs.real)) {
            return order_real(theirs.real, literal);
        }
    }
    return etw_where_text_order(text, (etw_where_slice){literal->text, literal->text_size});
}

/* -1, 0, 1; 2 where they cannot be compared. */
static int order_of_operand(etw_where *where, const etw_operand *operand,
                            const etw_where_literal *literal)
{
    int64_t time_100ns;
    switch (operand->kind) {
    case ETW_OPERAND_SIGNED:
        if (literal->has_number || literal->has_real) {
            return order_signed(operand->int64, literal);
        }
        break;
    case ETW_OPERAND_UNSIGNED:
        if (literal->has_number || literal->has_real) {
            return order_unsigned(operand->uint64, literal);
        }
        break;
    case ETW_OPERAND_REAL:
        if (literal->has_real) {
            return operand->real != operand->real ? INCOMPARABLE
                                                  : order_real(operand->real, literal);
        }
        break;
    case ETW_OPERAND_GUID:
        if (literal->has_guid) {
            const int order = memcmp(&operand->guid, &literal->guid, sizeof literal->guid);
            return order_of(order<0, order> 0);
        }
        break;
    case ETW_OPERAND_TIME:
        if (literal->time_kind != ETW_WHERE_NO_TIME) {
            return time_of(where, literal, &time_100ns)
                       ? order_of(operand->int64<time_100ns, operand->int64> time_100ns)
                       : INCOMPARABLE;
        }
        break;
    case ETW_OPERAND_IP:
        if (literal->ip_size != 0) {
            return order_ip(operand->ip, operand->ip_size, literal);
        }
        break;
    case ETW_OPERAND_TEXT:
        return order_text(where, operand, literal);
    }
    return etw_where_text_order(etw_where_operand_text(where, operand),
                                (etw_where_slice){literal->text, literal->text_size});
}

static bool is_set(etw_where *where, const etw_operand *operand)
{
    switch (operand->kind) {
    case ETW_OPERAND_SIGNED:
    case ETW_OPERAND_TIME:
        return operand->int64 != 0;
    case ETW_OPERAND_UNSIGNED:
        return operand->uint64 != 0;
    case ETW_OPERAND_REAL:
        return operand->real != 0;
    case ETW_OPERAND_GUID:
        return !etw_guid_is_zero(&operand->guid);
    case ETW_OPERAND_IP:
        return true;
    case ETW_OPERAND_TEXT:
        break;
    }
    return etw_where_operand_text(where, operand).size > 0;
}

/* Of a bit map each name stands for itself: Flags == Server, where the text is Server,Concurrent.
 */
static bool has_bit_named(etw_where *where, const etw_operand *operand,
                          const etw_where_literal *literal)
{
    if (operand->value == NULL || operand->text != NULL ||
        !etw_property_has_bit_map(operand->value->property)) {
        return false;
    }
    etw_where_slice left = etw_where_operand_text(where, operand);
    const etw_where_slice wanted = {literal->text, literal->text_size};
    while (left.size > 0) {
        const char *comma = memchr(left.text, ',', left.size);
        const size_t size = comma == NULL ? left.size : (size_t)(comma - left.text);
        if (etw_where_text_equal((etw_where_slice){left.text, size}, wanted)) {
            return true;
        }
        const size_t taken = size + (comma == NULL ? 0 : 1);
        left = (etw_where_slice){left.text + taken, left.size - taken};
    }
    return false;
}

static bool is_any_equal(etw_where *where, const etw_where_node *node, const etw_operand *operand)
{
    for (uint32_t i = 0; i < node->literal_count; i++) {
        const etw_where_literal *literal = &node->literals[i];
        const int order = order_of_operand(where, operand, literal);
        if (!literal->is_range) {
            if (order == 0 || has_bit_named(where, operand, literal)) {
                return true;
            }
            continue;
        }
        i++;
        if (order != INCOMPARABLE && order >= 0) {
            const int to_end = order_of_operand(where, operand, &node->literals[i]);
            if (to_end <= 0) {
                return true;
            }
        }
    }
    return false;
}

static etw_status compare_text(etw_where *where, const etw_where_node *node, etw_where_slice text,
                               bool *passes, etw_error *error)
{
    if (where->scratch.failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a value's text");
    }
    const etw_where_slice wanted = {node->literals[0].text, node->literals[0].text_size};
    switch (node->operator_) {
    case ETW_WHERE_CONTAINS:
        *passes = etw_where_text_contains(text, wanted);
        break;
    case ETW_WHERE_STARTS_WITH:
        *passes = etw_where_text_starts(text, wanted);
        break;
    case ETW_WHERE_ENDS_WITH:
        *passes = etw_where_text_ends(text, wanted);
        break;
    case ETW_WHERE_LIKE:
        *passes = etw_where_text_like(text, wanted);
        break;
    default:
        return etw_where_regex_match(node->regex, text, passes, error);
    }
    return ETW_OK;
}

etw_status etw_where_compare(etw_where *where, const etw_where_node *node,
                             const etw_operand *operand, bool *passes, etw_error *error)
{
    etw_operand masked = *operand;
    if (node->has_mask) {
        if (operand->kind == ETW_OPERAND_SIGNED) {
            masked.uint64 = (uint64_t)operand->int64;
        } else if (operand->kind != ETW_OPERAND_UNSIGNED) {
            *passes = false;
            return ETW_OK;
        }
        masked = (etw_operand){.kind = ETW_OPERAND_UNSIGNED, .uint64 = masked.uint64 & node->mask};
    }
    where->scratch.failed = false;
    const int order = node->operator_ >= ETW_WHERE_LESS && node->operator_ < ETW_WHERE_CONTAINS
                          ? order_of_operand(where, &masked, &node->literals[0])
                          : INCOMPARABLE;
    switch (node->operator_) {
    case ETW_WHERE_IS_THERE:
        *passes = true;
        if (where->take != NULL) {
            where->take(where->take_context, &masked);
        }
        break;
    case ETW_WHERE_IS_SET:
        *passes = is_set(where, &masked);
        break;
    case ETW_WHERE_EQUAL:
    case ETW_WHERE_UNEQUAL: /* whoever asks turns it around, once all values were seen */
        *passes = is_any_equal(where, node, &masked);
        break;
    case ETW_WHERE_LESS:
        *passes = order == -1;
        break;
    case ETW_WHERE_LESS_EQUAL:
        *passes = order <= 0;
        break;
    case ETW_WHERE_GREATER:
        *passes = order == 1;
        break;
    case ETW_WHERE_GREATER_EQUAL:
        *passes = order == 0 || order == 1;
        break;
    default:
        return compare_text(where, node, etw_where_operand_text(where, &masked), passes, error);
    }
    return where->scratch.failed
               ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a value's text")
               : ETW_OK;
}
