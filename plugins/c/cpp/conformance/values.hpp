// Values of the contract as JSON, by the rules of the conformance suite.
#pragma once

#include <adjutant.hpp>

namespace values {

using namespace adjutant;

// Numbers above this are written as strings of digits.
constexpr uint64_t most_exact = (1ull << 53) - 1;

template <class T> constexpr bool is_vector = false;
template <class T> constexpr bool is_vector<std::vector<T>> = true;
template <class T> constexpr bool is_optional = false;
template <class T> constexpr bool is_optional<std::optional<T>> = true;
template <class T> concept Variant = requires(T value) { value.is; };

inline std::string hex(const Bytes& bytes) {
    std::string text;
    for (uint8_t byte : bytes) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

inline Bytes unhex(std::string_view text) {
    auto digit = [](char c) { return uint8_t(c <= '9' ? c - '0' : c - 'a' + 10); };
    Bytes bytes;
    for (size_t i = 0; i + 1 < text.size(); i += 2)
        bytes.push_back(uint8_t(digit(text[i]) << 4 | digit(text[i + 1])));
    return bytes;
}

template <class T> void write(json::Text& to, const T& value) {
    if constexpr (std::is_same_v<T, Bytes>) {
        to.value(hex(value));
    } else if constexpr (std::is_same_v<T, uint64_t>) {
        if (value > most_exact) to.value(std::to_string(value));
        else to.value(value);
    } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
        to.value(value);
    } else if constexpr (is_vector<T>) {
        to.list([&](auto& list) {
            for (const auto& one : value) write(list, one);
        });
    } else if constexpr (is_optional<T>) {
        if (value) write(to, *value);
        else to.null();
    } else if constexpr (Variant<T>) {
        bool holds = false;
        T::held(value, [&](const auto& held) {
            holds = true;
            to.object([&](auto& object) { write(object.key(value.name()), held); });
        });
        if (!holds) to.value(value.name());
    } else {
        to.object([&](auto& object) {
            T::fields(value, [&](const char* name, const auto& field) { write(object.key(name), field); });
        });
    }
}

// Earlier answers, for what a script refers to.
using Answers = std::vector<json::Value>;

// What a value refers to, or itself.
inline json::Value follow(json::Value value, const Answers& answers) {
    json::Value path = value["$"];
    if (value.size() != 1 || !path.is(ADJ_JSON_LIST)) return value;
    json::Value at = answers[path[0].natural()];
    for (size_t i = 1; i < path.size(); i++)
        at = path[i].is(ADJ_JSON_STRING) ? at[path[i].string().c_str()] : at[path[i].natural()];
    return at;
}

template <class T> void read(json::Value from, T& to, const Answers& answers) {
    from = follow(from, answers);
    if constexpr (std::is_same_v<T, Bytes>) {
        to = unhex(from.string());
    } else if constexpr (std::is_same_v<T, bool>) {
        to = from.boolean();
    } else if constexpr (std::is_arithmetic_v<T>) {
        to = T(from.is(ADJ_JSON_STRING) ? strtoull(from.string().c_str(), nullptr, 10) : from.natural());
    } else if constexpr (std::is_same_v<T, std::string>) {
        to = from.string();
    } else if constexpr (is_vector<T>) {
        to.resize(from.size());
        for (size_t i = 0; i < from.size(); i++) read(from[i], to[i], answers);
    } else if constexpr (is_optional<T>) {
        if (!from.null()) read(from, to.emplace(), answers);
    } else if constexpr (Variant<T>) {
        bool plain = from.is(ADJ_JSON_STRING);
        std::string name = plain ? from.string() : std::string(view(from.json()->keys[0]));
        for (size_t i = 0; i < std::size(T::names); i++)
            if (name == T::names[i]) to.is = static_cast<typename T::Case>(i);
        T::held(to, [&](auto& held) {
            if (!plain) read(from[name.c_str()], held, answers);
        });
    } else {
        T::fields(to, [&](const char* name, auto& field) { read(from[name], field, answers); });
    }
}

// Any JSON, with what it refers to in place.
inline void copy(json::Text& to, json::Value from, const Answers& answers) {
    from = follow(from, answers);
    if (from.is(ADJ_JSON_LIST)) {
        to.list([&](auto& list) {
            for (size_t i = 0; i < from.size(); i++) copy(list, from[i], answers);
        });
    } else if (from.is(ADJ_JSON_OBJECT)) {
        to.object([&](auto& object) {
            for (size_t i = 0; i < from.size(); i++) {
                std::string name(view(from.json()->keys[i]));
                copy(object.key(name.c_str()), from[i], answers);
            }
        });
    } else {
        to.raw(from.raw());
    }
}

}  // namespace values
