/* Text and JSON: written into a text that grows, read into a tree. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adjutant.h"

/* ---- Written ----------------------------------------------------------------------------------- */

static void reserve(adj_text_t *text, size_t more) {
    if (text->room - text->len >= more) return;
    size_t room = text->room < 64 ? 128 : 2 * text->room;
    if (room < text->len + more) room = text->len + more;
    char *grown = realloc(text->ptr, room);
    if (!grown) {
        fprintf(stderr, "out of memory: %zu bytes were asked for\n", room);
        abort();
    }
    text->ptr = grown;
    text->room = room;
}

void adj_add(adj_text_t *text, adj_string_t string) {
    if (!string.len) return;
    reserve(text, string.len);
    memcpy(text->ptr + text->len, string.ptr, string.len);
    text->len += string.len;
}

void adj_add_format(adj_text_t *text, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len > 0) {
        reserve(text, (size_t)len + 1);
        vsnprintf(text->ptr + text->len, (size_t)len + 1, format, arguments);
        text->len += (size_t)len;
    }
    va_end(arguments);
}

adj_string_t adj_text(const adj_text_t *text) {
    return (adj_string_t){(uint8_t *)text->ptr, text->len};
}

static void put(adj_text_t *text, char c) {
    reserve(text, 1);
    text->ptr[text->len++] = c;
}

/* Before each value. */
static void separate(adj_text_t *text) {
    if (text->comma) put(text, ',');
    text->comma = true;
}

void adj_json_begin(adj_text_t *text, char bracket) {
    separate(text);
    put(text, bracket);
    text->comma = false;
}

void adj_json_end(adj_text_t *text, char bracket) {
    put(text, bracket);
    text->comma = true;
}

static void quoted(adj_text_t *text, adj_string_t value) {
    put(text, '"');
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.ptr[i];
        if (c == '"' || c == '\\') {
            put(text, '\\');
            put(text, (char)c);
        } else if (c == '\n') {
            adj_add(text, adj_str("\\n"));
        } else if (c < 0x20) {
            adj_add_format(text, "\\u%04x", c);
        } else {
            put(text, (char)c);
        }
    }
    put(text, '"');
}

void adj_json_key(adj_text_t *text, const char *key) {
    separate(text);
    quoted(text, adj_str(key));
    put(text, ':');
    text->comma = false;
}

void adj_json_string(adj_text_t *text, adj_string_t value) {
    separate(text);
    quoted(text, value);
}

void adj_json_u64(adj_text_t *text, uint64_t value) {
    separate(text);
    adj_add_format(text, "%llu", (unsigned long long)value);
}

void adj_json_s64(adj_text_t *text, int64_t value) {
    separate(text);
    adj_add_format(text, "%lld", (long long)value);
}

void adj_json_bool(adj_text_t *text, bool value) {
    adj_json_raw(text, adj_str(value ? "true" : "false"));
}

void adj_json_null(adj_text_t *text) { adj_json_raw(text, adj_str("null")); }

void adj_json_raw(adj_text_t *text, adj_string_t json) {
    separate(text);
    adj_add(text, json);
}

/* ---- Read -------------------------------------------------------------------------------------- */

/* Nested deeper than this is refused: each level takes room on the stack. */
enum { DEEPEST = 200 };

typedef struct {
    const uint8_t *begin, *at, *end;
    const char *problem;
} reader_t;

static bool fail(reader_t *in, const char *problem) {
    if (!in->problem) in->problem = problem;
    return false;
}

static void skip_space(reader_t *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\t' || *in->at == '\r'))
        in->at++;
}

static bool taken(reader_t *in, char c) {
    if (in->at == in->end || *in->at != (uint8_t)c) return false;
    in->at++;
    return true;
}

static bool read_word(reader_t *in, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(in->end - in->at) < len || memcmp(in->at, word, len) != 0)
        return fail(in, "a value was expected");
    in->at += len;
    return true;
}

static bool read_hex(reader_t *in, uint32_t *unit) {
    if (in->end - in->at < 4) return fail(in, "four hexadecimal digits were expected");
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = *in->at++, low = c | 0x20;
        uint32_t digit = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10u : 16;
        if (digit == 16) return fail(in, "four hexadecimal digits were expected");
        *unit = *unit * 16 + digit;
    }
    return true;
}

static size_t utf8(uint32_t c, uint8_t *to) {
    if (c < 0x80) return to[0] = (uint8_t)c, 1;
    if (c < 0x800) return to[0] = (uint8_t)(0xc0 | c >> 6), to[1] = (uint8_t)(0x80 | (c & 63)), 2;
    if (c < 0x10000) {
        to[0] = (uint8_t)(0xe0 | c >> 12);
        to[1] = (uint8_t)(0x80 | (c >> 6 & 63));
        to[2] = (uint8_t)(0x80 | (c & 63));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | c >> 18);
    to[1] = (uint8_t)(0x80 | (c >> 12 & 63));
    to[2] = (uint8_t)(0x80 | (c >> 6 & 63));
    to[3] = (uint8_t)(0x80 | (c & 63));
    return 4;
}

/* What comes after a backslash. */
static bool read_escape(reader_t *in, adj_string_t *to) {
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    if (in->at == in->end) return fail(in, "the text ends within a string");
    uint8_t c = *in->at++;
    if (c != 'u') {
        const char *found = c ? strchr(from, c) : NULL;
        if (!found) return fail(in, "there is no such escape");
        to->ptr[to->len++] = (uint8_t)into[found - from];
        return true;
    }
    uint32_t unit, second;
    if (!read_hex(in, &unit)) return false;
    if (unit >= 0xdc00 && unit < 0xe000) return fail(in, "half a surrogate pair");
    if (unit >= 0xd800 && unit < 0xdc00) {
        if (!taken(in, '\\') || !taken(in, 'u') || !read_hex(in, &second) || second < 0xdc00 ||
            second >= 0xe000)
            return fail(in, "half a surrogate pair");
        unit = 0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
    }
    to->len += utf8(unit, to->ptr + to->len);
    return true;
}

static bool read_string(reader_t *in, adj_string_t *to) {
    if (!taken(in, '"')) return fail(in, "a string was expected");
    const uint8_t *end = in->at;
    while (end < in->end && *end != '"') end += *end == '\\' ? 2 : 1;
    if (end >= in->end) return fail(in, "the text ends within a string");
    /* No escape is longer when it is read. */
    *to = (adj_string_t){adj_alloc((size_t)(end - in->at), 1), 0};
    while (in->at < end) {
        uint8_t c = *in->at++;
        if (c < 0x20) return fail(in, "a control character in a string");
        if (c != '\\') {
            to->ptr[to->len++] = c;
        } else if (!read_escape(in, to)) {
            return false;
        }
    }
    return taken(in, '"') || fail(in, "a string was expected");
}

static size_t digits(reader_t *in) {
    size_t count = 0;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9') in->at++, count++;
    return count;
}

static bool read_number(reader_t *in, adj_json_t *to) {
    const uint8_t *begin = in->at;
    taken(in, '-');
    bool zero = in->at < in->end && *in->at == '0';
    size_t whole = digits(in);
    if (whole == 0) return fail(in, "a value was expected");
    if (zero && whole > 1) return fail(in, "a number begins with a zero");
    if (taken(in, '.') && digits(in) == 0) return fail(in, "a digit was expected");
    if (taken(in, 'e') || taken(in, 'E')) {
        if (!taken(in, '-')) taken(in, '+');
        if (digits(in) == 0) return fail(in, "a digit was expected");
    }
    to->kind = ADJ_JSON_NUMBER;
    to->text = (adj_string_t){(uint8_t *)begin, (size_t)(in->at - begin)};
    return true;
}

static bool read_value(reader_t *in, adj_json_t *to, int depth);

static bool read_items(reader_t *in, adj_json_t *to, bool object, int depth) {
    char close = object ? '}' : ']';
    size_t room = 0;
    in->at++;
    to->kind = object ? ADJ_JSON_OBJECT : ADJ_JSON_LIST;
    skip_space(in);
    if (taken(in, close)) return true;
    do {
        if (to->count == room) {
            room = room ? 2 * room : 8;
            adj_json_t *items = adj_alloc(room, sizeof *items);
            adj_string_t *keys = object ? adj_alloc(room, sizeof *keys) : NULL;
            if (to->count) {
                memcpy(items, to->items, to->count * sizeof *items);
                if (object) memcpy(keys, to->keys, to->count * sizeof *keys);
            }
            free(to->items);
            free(to->keys);
            to->items = items;
            to->keys = keys;
        }
        skip_space(in);
        if (object) {
            if (!read_string(in, &to->keys[to->count])) return false;
            skip_space(in);
            if (!taken(in, ':')) return fail(in, "a colon was expected");
        }
        if (!read_value(in, &to->items[to->count], depth + 1)) return false;
        to->count++;
        skip_space(in);
    } while (taken(in, ','));
    return taken(in, close) || fail(in, "a comma or the end of a list or object was expected");
}

static bool read_value(reader_t *in, adj_json_t *to, int depth) {
    skip_space(in);
    if (depth > DEEPEST) return fail(in, "it is nested too deeply");
    if (in->at == in->end) return fail(in, "the text ends where a value was expected");
    const uint8_t *begin = in->at;
    bool good;
    switch (*in->at) {
        case '{': good = read_items(in, to, true, depth); break;
        case '[': good = read_items(in, to, false, depth); break;
        case '"': to->kind = ADJ_JSON_STRING, good = read_string(in, &to->text); break;
        case 't': to->kind = ADJ_JSON_BOOL, to->boolean = good = read_word(in, "true"); break;
        case 'f': to->kind = ADJ_JSON_BOOL, good = read_word(in, "false"); break;
        case 'n': to->kind = ADJ_JSON_NULL, good = read_word(in, "null"); break;
        default: good = read_number(in, to); break;
    }
    to->raw = (adj_string_t){(uint8_t *)begin, (size_t)(in->at - begin)};
    return good;
}

const adj_json_t *adj_json_read(adj_string_t text, adj_string_t *problem) {
    reader_t in = {text.ptr, text.ptr, text.ptr + text.len, NULL};
    adj_json_t *value = adj_alloc(1, sizeof *value);
    if (read_value(&in, value, 0)) {
        skip_space(&in);
        if (in.at == in.end) return value;
        fail(&in, "there is more after the end");
    }
    if (problem) *problem = adj_format("%s, at byte %zu", in.problem, (size_t)(in.at - in.begin));
    return NULL;
}

const adj_json_t *adj_json_field(const adj_json_t *object, const char *name) {
    if (!object || object->kind != ADJ_JSON_OBJECT) return NULL;
    for (size_t i = object->count; i-- > 0;)
        if (adj_is(object->keys[i], name)) return &object->items[i];
    return NULL;
}

/* The number's digits, ended by a zero, where it is a whole one that is not too long. */
static bool whole(const adj_json_t *value, char *digits, size_t room) {
    if (!value || value->kind != ADJ_JSON_NUMBER || value->text.len >= room) return false;
    memcpy(digits, value->text.ptr, value->text.len);
    digits[value->text.len] = 0;
    return strpbrk(digits, ".eE") == NULL;
}

int64_t adj_json_s64_or(const adj_json_t *value, int64_t otherwise) {
    char digits[24];
    if (!whole(value, digits, sizeof digits)) return otherwise;
    errno = 0;
    int64_t number = strtoll(digits, NULL, 10);
    return errno ? otherwise : number;
}

uint64_t adj_json_u64_or(const adj_json_t *value, uint64_t otherwise) {
    char digits[24];
    if (!whole(value, digits, sizeof digits) || digits[0] == '-') return otherwise;
    errno = 0;
    uint64_t number = strtoull(digits, NULL, 10);
    return errno ? otherwise : number;
}

adj_string_t adj_json_string_or(const adj_json_t *value, adj_string_t otherwise) {
    return value && value->kind == ADJ_JSON_STRING ? value->text : otherwise;
}
