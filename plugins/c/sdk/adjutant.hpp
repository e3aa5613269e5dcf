// Write a strategy for Adjutant in C++ (C++23, without exceptions).
//
// A strategy is plain, imperative code: one function, named to the host by one line.
//
//     adjutant::Done work(const adjutant::Task& task) {
//         ADJUTANT_TRY(adjutant::reporting::progress("counting"));
//         return adjutant::report("All is well.");
//     }
//     ADJUTANT_SUBORDINATE(work)
//
// The types and functions of the contract are in adjutant-contract.hpp, which is generated for the
// strategy's world: `adjutant::Task`, `adjutant::delegation::delegate` and so on. A call to the host
// looks like any other call, and may take microseconds or days. It answers a `Result`: a value, or an
// `Error`; nothing is thrown.
//
// What is printed to stdout and stderr is kept in the run's log. There are a clock and random numbers,
// both the same on each replay, and nothing else: no files, no sockets, no environment, no sleep.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "adjutant.h"

namespace adjutant {

struct Error;
/// What a call to the host answers.
template <class T> using Result = std::expected<T, Error>;
using Bytes = std::vector<uint8_t>;

// ---- How values cross: `take` moves one in and frees what held it, `give` shows one to the host ------

/// Lends values to a host call, or hands copies over for good.
class Giving {
public:
    explicit Giving(bool for_good) : for_good_(for_good) {}
    Giving(const Giving&) = delete;
    Giving& operator=(const Giving&) = delete;
    ~Giving() {
        for (void* one : lent_) free(one);
    }
    bool for_good() const { return for_good_; }
    /// Room that is freed with this object or, where it is handed over, by whoever gets it.
    template <class T> T* room(size_t count) {
        if (!count) return nullptr;
        auto* made = static_cast<T*>(adj_alloc(count, sizeof(T)));
        if (!for_good_) lent_.push_back(made);
        return made;
    }

private:
    bool for_good_;
    std::vector<void*> lent_;
};

/// How a type crosses. Numbers as they are.
template <class T> struct Crossing {
    static void take(T& from, T& to) { to = from; }
    static void give(Giving&, const T& from, T& to) { to = from; }
};
template <class C, class T> void take(C& from, T& to) { Crossing<T>::take(from, to); }
template <class T, class C> void give(Giving& giving, const T& from, C& to) {
    Crossing<T>::give(giving, from, to);
}
template <> struct Crossing<std::string_view> {
    static void give(Giving& giving, std::string_view from, ::adj_string_t& to) {
        to = {(uint8_t*)from.data(), from.size()};
        if (!giving.for_good()) return;
        to.ptr = giving.room<uint8_t>(from.size());
        if (to.len) memcpy(to.ptr, from.data(), to.len);
    }
};
template <> struct Crossing<std::string> {
    static void take(::adj_string_t& from, std::string& to) {
        to.assign(reinterpret_cast<const char*>(from.ptr), from.len);
        if (from.len) free(from.ptr);
    }
    static void give(Giving& giving, const std::string& from, ::adj_string_t& to) {
        Crossing<std::string_view>::give(giving, from, to);
    }
};
template <class T> struct Crossing<std::vector<T>> {
    template <class C> static void take(C& from, std::vector<T>& to) {
        to.resize(from.len);
        for (size_t i = 0; i < from.len; i++) adjutant::take(from.ptr[i], to[i]);
        if (from.len) free(from.ptr);
    }
    template <class C> static void give(Giving& giving, const std::vector<T>& from, C& to) {
        to.len = from.size();
        to.ptr = giving.room<std::remove_pointer_t<decltype(to.ptr)>>(to.len);
        for (size_t i = 0; i < to.len; i++) adjutant::give(giving, from[i], to.ptr[i]);
    }
};
template <class T> struct Crossing<std::optional<T>> {
    template <class C> static void take(C& from, std::optional<T>& to) {
        if (from.is_some) adjutant::take(from.val, to.emplace());
    }
    template <class C> static void give(Giving& giving, const std::optional<T>& from, C& to) {
        to.is_some = from.has_value();
        if (from) adjutant::give(giving, *from, to.val);
    }
};

/// One argument of a function of the bindings: as it is, or by a pointer, which is null for none.
template <class Parameter> struct Argument {
    std::remove_pointer_t<Parameter> slot{};
    bool none = false;
    template <class T> Argument(Giving& giving, const T& value) { adjutant::give(giving, value, slot); }
    template <class T> Argument(Giving& giving, const std::optional<T>& value) : none(!value) {
        if (value) adjutant::give(giving, *value, slot);
    }
    Parameter pass() {
        if constexpr (std::is_pointer_v<Parameter>) return none ? nullptr : &slot;
        else return slot;
    }
};

template <class Ok, class... Parameters, size_t... I, class... Values>
Result<Ok> invoke_with(bool (*function)(Parameters...), std::index_sequence<I...>,
                       const Values&... values) {
    using All = std::tuple<Parameters...>;
    constexpr size_t count = sizeof...(Parameters);
    Giving giving(false);
    std::tuple<Argument<std::tuple_element_t<I, All>>...> arguments{
        Argument<std::tuple_element_t<I, All>>(giving, values)...};
    std::remove_pointer_t<std::tuple_element_t<count - 1, All>> failed{};
    bool good;
    if constexpr (std::is_void_v<Ok>) {
        good = function(std::get<I>(arguments).pass()..., &failed);
        if (good) return {};
    } else {
        std::remove_pointer_t<std::tuple_element_t<count - 2, All>> answer{};
        good = function(std::get<I>(arguments).pass()..., &answer, &failed);
        if (good) {
            Ok ok{};
            adjutant::take(answer, ok);
            return ok;
        }
    }
    typename Result<Ok>::error_type error{};
    adjutant::take(failed, error);
    return std::unexpected(std::move(error));
}

/// Calls a function of the bindings, whose last parameters are for the answer and the error.
template <class Ok, class... Parameters, class... Values>
Result<Ok> invoke(bool (*function)(Parameters...), const Values&... values) {
    return invoke_with<Ok>(function, std::index_sequence_for<Values...>(), values...);
}

}  // namespace adjutant

#include "adjutant-contract.hpp"

namespace adjutant {

// ---- Text ------------------------------------------------------------------------------------------

inline std::string_view view(::adj_string_t text) {
    return {reinterpret_cast<const char*>(text.ptr), text.len};
}
inline ::adj_string_t lend(std::string_view text) { return {(uint8_t*)text.data(), text.size()}; }
inline Bytes bytes(std::string_view text) { return Bytes(text.begin(), text.end()); }
inline std::string text(const Bytes& bytes) { return std::string(bytes.begin(), bytes.end()); }

/// A text without white space at its ends.
inline std::string_view trim(std::string_view text) { return view(adj_trim(lend(text))); }

/// The lines of a text, trimmed, without those that are empty.
inline std::vector<std::string> lines(std::string_view text) {
    std::vector<std::string> all;
    ::adj_string_t rest = lend(text), line;
    while (adj_next_line(&rest, &line))
        if (auto one = trim(view(line)); !one.empty()) all.emplace_back(one);
    return all;
}

/// The words of a text: ASCII letters, in lower case, digits, and whatever is not ASCII.
inline std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> all;
    ::adj_string_t rest = lend(text), word;
    while (adj_next_word(&rest, &word)) {
        auto& one = all.emplace_back(view(word));
        for (char& c : one)
            if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    }
    return all;
}

/// What stands between white space.
inline std::vector<std::string> fields(std::string_view text) {
    std::vector<std::string> all;
    ::adj_string_t rest = lend(text), field;
    while (adj_next_field(&rest, &field)) all.emplace_back(view(field));
    return all;
}

// ---- JSON ------------------------------------------------------------------------------------------

namespace json {

/// JSON, written: `json::Text().object([&](auto& o) { o.field("n", 1u); }).str()`.
class Text {
public:
    Text() = default;
    Text(const Text&) = delete;
    Text& operator=(const Text&) = delete;
    ~Text() { free(text_.ptr); }
    std::string str() const { return std::string(view(adj_text(&text_))); }
    Text& key(const char* name) { return adj_json_key(&text_, name), *this; }
    Text& null() { return adj_json_null(&text_), *this; }
    Text& raw(std::string_view json) { return adj_json_raw(&text_, lend(json)), *this; }
    Text& value(bool value) { return adj_json_bool(&text_, value), *this; }
    Text& value(uint32_t value) { return adj_json_u64(&text_, value), *this; }
    Text& value(uint64_t value) { return adj_json_u64(&text_, value), *this; }
    Text& value(unsigned long value) { return adj_json_u64(&text_, value), *this; }
    Text& value(int32_t value) { return adj_json_s64(&text_, value), *this; }
    Text& value(int64_t value) { return adj_json_s64(&text_, value), *this; }
    Text& value(std::string_view value) { return adj_json_string(&text_, lend(value)), *this; }
    Text& value(const char* value) { return this->value(std::string_view(value)); }
    template <class T> Text& field(const char* name, const T& value) {
        key(name);
        return this->value(value);
    }
    template <class F> Text& object(F&& fill) { return nested('{', '}', fill); }
    template <class F> Text& list(F&& fill) { return nested('[', ']', fill); }

private:
    template <class F> Text& nested(char open, char close, F&& fill) {
        adj_json_begin(&text_, open);
        fill(*this);
        adj_json_end(&text_, close);
        return *this;
    }
    ::adj_text_t text_{};
};

/// JSON, read. A value that is not there answers like one of no kind, so that
/// `config["a"]["b"].number(3)` needs no questions in between.
class Value {
public:
    explicit Value(const ::adj_json_t* json = nullptr) : json_(json) {}
    /// Reads a text; what it says in `problem` where that is no JSON, and a value that is not there.
    static Value read(std::string_view text, std::string* problem = nullptr) {
        ::adj_string_t why{};
        const ::adj_json_t* json = adj_json_read(lend(text), &why);
        if (!json && problem) *problem = view(why);
        return Value(json);
    }
    bool there() const { return json_; }
    bool null() const { return !json_ || json_->kind == ADJ_JSON_NULL; }
    bool is(::adj_json_kind_t kind) const { return json_ && json_->kind == kind; }
    Value operator[](const char* name) const { return Value(adj_json_field(json_, name)); }
    template <std::integral Index> Value operator[](Index at) const {
        return Value(size_t(at) < size() ? &json_->items[at] : nullptr);
    }
    size_t size() const { return json_ ? json_->count : 0; }
    int64_t number(int64_t otherwise = 0) const { return adj_json_s64_or(json_, otherwise); }
    uint64_t natural(uint64_t otherwise = 0) const { return adj_json_u64_or(json_, otherwise); }
    bool boolean(bool otherwise = false) const { return is(ADJ_JSON_BOOL) ? json_->boolean : otherwise; }
    std::string string(std::string_view otherwise = {}) const {
        return std::string(view(adj_json_string_or(json_, lend(otherwise))));
    }
    /// The value as it stands in the text.
    std::string_view raw() const { return json_ ? view(json_->raw) : std::string_view("null"); }
    const ::adj_json_t* json() const { return json_; }

private:
    const ::adj_json_t* json_;
};

}  // namespace json

// ---- The strategy ----------------------------------------------------------------------------------

#ifdef ADJUTANT_WORLD_SELECTOR

using selection::Candidate;
using selection::Choice;
using selection::Question;

/// What a selector answers: whom to give the task to, best first, or why no choice can be made at all.
using Choices = std::expected<std::vector<Choice>, std::string>;

#define ADJUTANT_SELECTOR(function)                                                                  \
    extern "C" bool adj_choose(const adj_question_t* task, const adj_list_candidate_t* candidates,   \
                               adj_list_choice_t* choices, adj_string_t* problem) {                  \
        return adjutant::choose_by(function, task, candidates, choices, problem);                    \
    }

template <class F>
bool choose_by(F&& choose, const ::adj_question_t* task, const ::adj_list_candidate_t* candidates,
               ::adj_list_choice_t* choices, ::adj_string_t* problem) {
    Question question;
    std::vector<Candidate> all;
    auto from = *task;
    auto list = *candidates;
    take(from, question);
    take(list, all);
    Choices chosen = choose(question, all);
    Giving giving(true);
    if (chosen) give(giving, *chosen, *choices);
    else give(giving, chosen.error(), *problem);
    return chosen.has_value();
}

#else

/// The error as a sentence.
inline std::string message(const Error& error) {
    static const char* const otherwise[] = {
        "This is not granted.",  "There is no such thing.",   "The arguments were refused.",
        "A limit was reached.",  "The ticket was cancelled.", "Time ran out.",
        "Something outside did not answer.", "The call failed."};
    std::string all;
    if (error == Error::Case::invalid) {
        for (const auto& one : error.as_invalid) {
            if (!all.empty()) all += "; ";
            all += one.path.empty() ? one.message : one.path + ": " + one.message;
        }
    } else {
        Error::held(error, [&](const auto& held) {
            if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::string>) all = held;
        });
    }
    return all.empty() ? otherwise[static_cast<size_t>(error.is)] : all;
}

/// What `work` answers.
using Done = std::expected<Report, Failure>;

/// A report: a summary for people, in Markdown, and the result as JSON.
inline Report report(std::string summary, std::optional<std::string> output_json = {}) {
    return Report{std::move(summary), std::move(output_json)};
}
/// A failure: what went wrong, and what could be done about it.
inline std::unexpected<Failure> failure(std::string summary,
                                        std::optional<std::string> output_json = {}) {
    return std::unexpected(Failure{std::move(summary), std::move(output_json)});
}
inline std::unexpected<Failure> failure(const Error& error) { return failure(message(error)); }

/// The value of a `Result`; where it is an error, the function that this stands in fails by it.
#define ADJUTANT_TRY(...)                                              \
    ({                                                                 \
        auto adjutant_result = (__VA_ARGS__);                          \
        if (!adjutant_result) return adjutant::failure(adjutant_result.error()); \
        *std::move(adjutant_result);                                   \
    })

/// What is to be done: the ticket's description, or its title where that is empty.
inline std::string_view text(const Task& task) {
    auto description = trim(task.ticket.description);
    return description.empty() ? trim(task.ticket.title) : description;
}

/// The agent's configuration.
inline json::Value config(const Task& task) { return json::Value::read(task.config_json); }

template <class F>
bool work_by(F&& work, const ::adj_task_t* task, ::adj_report_t* report, ::adj_failure_t* failure) {
    Task own;
    auto from = *task;
    take(from, own);
    Done done = work(own);
    Giving giving(true);
    if (done) give(giving, *done, *report);
    else give(giving, done.error(), *failure);
    return done.has_value();
}

#define ADJUTANT_WORK(function)                                                                        \
    extern "C" bool adj_work(const adj_task_t* task, adj_report_t* report, adj_failure_t* failure) {   \
        return adjutant::work_by(function, task, report, failure);                                     \
    }

#endif

#ifdef ADJUTANT_WORLD_BOSS

/// An assignment with a title and a description; whoever fits best gets it, with medium priority.
inline delegation::Assignment assignment(std::string title, std::string description = {}) {
    delegation::Assignment made;
    made.title = std::move(title);
    made.description = std::move(description);
    made.priority = Priority::medium();
    return made;
}

/// Waits until all of these delegations are over, for as long as it takes.
inline Result<delegation::Joined> await_all(const std::vector<delegation::Delegated>& delegated) {
    // No tickets would mean all that were ever delegated.
    if (delegated.empty()) return delegation::Joined{.met = true};
    std::vector<std::string> tickets;
    for (const auto& one : delegated) tickets.push_back(one.ticket);
    return delegation::await_reports(tickets, delegation::Join::all());
}

#endif

}  // namespace adjutant

// One of these names the strategy's function to the host: that of the world that plugin.toml says.
#if defined(ADJUTANT_WORLD_BOSS)
#define ADJUTANT_BOSS(function) ADJUTANT_WORK(function)
#define ADJUTANT_SUBORDINATE(function) ADJUTANT_OTHER_WORLD("boss", "ADJUTANT_SUBORDINATE")
#define ADJUTANT_SELECTOR(function) ADJUTANT_OTHER_WORLD("boss", "ADJUTANT_SELECTOR")
#elif defined(ADJUTANT_WORLD_SUBORDINATE)
#define ADJUTANT_SUBORDINATE(function) ADJUTANT_WORK(function)
#define ADJUTANT_BOSS(function) ADJUTANT_OTHER_WORLD("subordinate", "ADJUTANT_BOSS")
#define ADJUTANT_SELECTOR(function) ADJUTANT_OTHER_WORLD("subordinate", "ADJUTANT_SELECTOR")
#elif defined(ADJUTANT_WORLD_SELECTOR)
#define ADJUTANT_BOSS(function) ADJUTANT_OTHER_WORLD("selector", "ADJUTANT_BOSS")
#define ADJUTANT_SUBORDINATE(function) ADJUTANT_OTHER_WORLD("selector", "ADJUTANT_SUBORDINATE")
#endif
#define ADJUTANT_OTHER_WORLD(world, macro)                                                          \
    static_assert(false, "plugin.toml says world = \"" world "\", and this is " macro                 \
                         ": change the one or the other");
