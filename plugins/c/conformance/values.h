/* Values of the contract as JSON, by the rules of the conformance suite.
 *
 * Each type of the contract is described by a table; two functions write and read whatever a table
 * describes. A file for itself, included by each interpreter. */
#include <adjutant.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Numbers above this are written as strings of digits. */
#define MOST_EXACT 9007199254740991ull

typedef enum { BOOL, U32, S32, U64, STRING, BYTES, LIST, OPTION, RECORD, VARIANT } kind_t;

typedef struct type type_t;

/* A field of a record, or a case of a variant with what it holds, if anything. */
typedef struct {
    const char *name;
    size_t offset;
    const type_t *type;
} part_t;

struct type {
    kind_t kind;
    size_t size;
    /* What a list or an option is of. */
    const type_t *of;
    /* Where an option's or a variant's value is. */
    size_t value;
    const part_t *parts;
    size_t count;
};

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define LIST_OF(name, of_type) \
    static const type_t name = {LIST, sizeof(adj_list_string_t), &of_type, 0, NULL, 0}
#define OPTION_OF(name, c, of_type) \
    static const type_t name = {OPTION, sizeof(c), &of_type, offsetof(c, val), NULL, 0}
#define FIELD(c, member, name, type) {name, offsetof(c, member), &type}
#define RECORD_OF(name, c, ...)                          \
    static const part_t name##_parts[] = {__VA_ARGS__}; \
    static const type_t name = {RECORD, sizeof(c), NULL, 0, name##_parts, COUNT(name##_parts)}
#define CASE(name) {name, 0, NULL}
#define HOLDS(name, type) {name, 0, &type}
#define VARIANT_OF(name, c, ...)                         \
    static const part_t name##_parts[] = {__VA_ARGS__}; \
    static const type_t name = {VARIANT, sizeof(c), NULL, offsetof(c, val), name##_parts, COUNT(name##_parts)}

static const type_t t_bool = {.kind = BOOL, .size = sizeof(bool)};
static const type_t t_u32 = {.kind = U32, .size = sizeof(uint32_t)};
static const type_t t_u64 = {.kind = U64, .size = sizeof(uint64_t)};
static const type_t t_string = {.kind = STRING, .size = sizeof(adj_string_t)};
LIST_OF(t_strings, t_string);

/* ---- Written ----------------------------------------------------------------------------------- */

static void write_hex(adj_text_t *to, adj_string_t bytes) {
    adj_text_t hex = {0};
    for (size_t i = 0; i < bytes.len; i++) adj_add_format(&hex, "%02x", bytes.ptr[i]);
    adj_json_string(to, adj_text(&hex));
}

static void write_value(adj_text_t *to, const type_t *type, const void *from) {
    const uint8_t *at = from;
    /* Lists and strings of any type have the same form. */
    const adj_list_string_t *list = from;
    switch (type->kind) {
        case BOOL: adj_json_bool(to, *(const bool *)from); break;
        case U32: adj_json_u64(to, *(const uint32_t *)from); break;
        case S32: adj_json_s64(to, *(const int32_t *)from); break;
        case U64: {
            uint64_t number = *(const uint64_t *)from;
            if (number > MOST_EXACT) adj_json_string(to, adj_format("%llu", (unsigned long long)number));
            else adj_json_u64(to, number);
            break;
        }
        case STRING: adj_json_string(to, *(const adj_string_t *)from); break;
        case BYTES: write_hex(to, *(const adj_string_t *)from); break;
        case LIST:
            adj_json_begin(to, '[');
            for (size_t i = 0; i < list->len; i++)
                write_value(to, type->of, (const uint8_t *)list->ptr + i * type->of->size);
            adj_json_end(to, ']');
            break;
        case OPTION:
            if (*(const bool *)from) write_value(to, type->of, at + type->value);
            else adj_json_null(to);
            break;
        case RECORD:
            adj_json_begin(to, '{');
            for (size_t i = 0; i < type->count; i++) {
                adj_json_key(to, type->parts[i].name);
                write_value(to, type->parts[i].type, at + type->parts[i].offset);
            }
            adj_json_end(to, '}');
            break;
        case VARIANT: {
            const part_t *part = &type->parts[*at];
            if (!part->type) {
                adj_json_string(to, adj_str(part->name));
                break;
            }
            adj_json_begin(to, '{');
            adj_json_key(to, part->name);
            write_value(to, part->type, at + type->value);
            adj_json_end(to, '}');
            break;
        }
    }
}

/* ---- Read -------------------------------------------------------------------------------------- */

/* Earlier answers, for what a script refers to. */
typedef struct {
    const adj_json_t **answers;
    size_t count;
} answers_t;

/* What a value refers to, or itself. */
static const adj_json_t *follow(const adj_json_t *value, const answers_t *known) {
    const adj_json_t *path = value && value->count == 1 ? adj_json_field(value, "$") : NULL;
    if (!path || path->kind != ADJ_JSON_LIST) return value;
    const adj_json_t *at = known->answers[adj_json_u64_or(&path->items[0], 0)];
    for (size_t i = 1; i < path->count; i++) {
        const adj_json_t *step = &path->items[i];
        if (step->kind == ADJ_JSON_STRING)
            at = adj_json_field(at, (const char *)adj_format("%.*s", ADJ_ARG(step->text)).ptr);
        else
            at = &at->items[adj_json_u64_or(step, 0)];
    }
    return at;
}

static uint64_t read_number(const adj_json_t *from) {
    if (from && from->kind == ADJ_JSON_STRING)
        return strtoull((const char *)adj_format("%.*s", ADJ_ARG(from->text)).ptr, NULL, 10);
    return adj_json_u64_or(from, 0);
}

static adj_string_t read_hex_digits(adj_string_t text) {
    adj_string_t bytes = {adj_alloc(text.len / 2, 1), text.len / 2};
    for (size_t i = 0; i < text.len; i++) {
        uint8_t digit = text.ptr[i] <= '9' ? text.ptr[i] - '0' : text.ptr[i] - 'a' + 10;
        bytes.ptr[i / 2] |= i % 2 ? digit : (uint8_t)(digit << 4);
    }
    return bytes;
}

static void read_variant(const adj_json_t *from, const type_t *type, uint8_t *to, const answers_t *known);

static void read_value(const adj_json_t *from, const type_t *type, void *to, const answers_t *known) {
    adj_list_string_t *list = to;
    from = follow(from, known);
    switch (type->kind) {
        case BOOL: *(bool *)to = from && from->boolean; break;
        case U32: *(uint32_t *)to = (uint32_t)read_number(from); break;
        case S32: *(int32_t *)to = (int32_t)adj_json_s64_or(from, 0); break;
        case U64: *(uint64_t *)to = read_number(from); break;
        case STRING: *(adj_string_t *)to = adj_json_string_or(from, adj_str("")); break;
        case BYTES: *(adj_string_t *)to = read_hex_digits(adj_json_string_or(from, adj_str(""))); break;
        case LIST:
            list->len = from ? from->count : 0;
            list->ptr = adj_alloc(list->len, type->of->size);
            for (size_t i = 0; i < list->len; i++)
                read_value(&from->items[i], type->of, (uint8_t *)list->ptr + i * type->of->size, known);
            break;
        case OPTION:
            *(bool *)to = from && from->kind != ADJ_JSON_NULL;
            if (*(bool *)to) read_value(from, type->of, (uint8_t *)to + type->value, known);
            break;
        case RECORD:
            for (size_t i = 0; i < type->count; i++)
                read_value(adj_json_field(from, type->parts[i].name), type->parts[i].type,
                           (uint8_t *)to + type->parts[i].offset, known);
            break;
        case VARIANT: read_variant(from, type, to, known); break;
    }
}

static void read_variant(const adj_json_t *from, const type_t *type, uint8_t *to, const answers_t *known) {
    bool plain = !from || from->kind == ADJ_JSON_STRING;
    adj_string_t name = plain ? adj_json_string_or(from, adj_str("")) : from->keys[0];
    for (size_t i = 0; i < type->count; i++) {
        if (!adj_is(name, type->parts[i].name)) continue;
        *to = (uint8_t)i;
        if (type->parts[i].type && !plain)
            read_value(&from->items[0], type->parts[i].type, to + type->value, known);
    }
}

/* Any JSON, with what it refers to in place. */
static void copy_json(adj_text_t *to, const adj_json_t *from, const answers_t *known) {
    from = follow(from, known);
    if (from->kind != ADJ_JSON_LIST && from->kind != ADJ_JSON_OBJECT) {
        adj_json_raw(to, from->raw);
        return;
    }
    bool object = from->kind == ADJ_JSON_OBJECT;
    adj_json_begin(to, object ? '{' : '[');
    for (size_t i = 0; i < from->count; i++) {
        if (object) adj_json_key(to, (const char *)adj_format("%.*s", ADJ_ARG(from->keys[i])).ptr);
        copy_json(to, &from->items[i], known);
    }
    adj_json_end(to, object ? '}' : ']');
}

/* ---- Types that all worlds have ---------------------------------------------------------------- */

RECORD_OF(t_agent, adj_types_agent_t, FIELD(adj_types_agent_t, id, "id", t_string),
          FIELD(adj_types_agent_t, name, "name", t_string),
          FIELD(adj_types_agent_t, class_, "class", t_string),
          FIELD(adj_types_agent_t, skills, "skills", t_strings),
          FIELD(adj_types_agent_t, description, "description", t_string));
VARIANT_OF(t_tracking_status, adj_types_tracking_status_t, CASE("idle"), CASE("working"),
           CASE("waiting-subordinates"), CASE("needs-review"), CASE("blocked"), CASE("error"),
           HOLDS("other", t_string));
