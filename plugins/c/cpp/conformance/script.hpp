// Does what a script says, for the conformance suite.
#pragma once

#include <cstdio>
#include <ctime>
#include <functional>
#include <map>
#include <unistd.h>

#include "values.hpp"

namespace script {

using namespace adjutant;
using values::Answers;

// A step, and how it ends the script where it does.
struct Step {
    const Task& task;
    json::Value step;
    const Answers& answers;
    json::Text answer;
    std::optional<Done> end;

    json::Value get(const char* name) const { return values::follow(step[name], answers); }
    std::string text() const { return get("text").string(); }
};

// What an argument is kept as while a function is called that borrows it.
template <class T> struct Kept { using type = std::decay_t<T>; };
template <> struct Kept<std::string_view> { using type = std::string; };
template <> struct Kept<std::optional<std::string_view>> { using type = std::optional<std::string>; };

// A step that calls a function of the host with the arguments of these names.
template <class Ok, class... P, class... Names>
std::function<void(Step&)> host(Result<Ok> (*function)(P...), Names... names) {
    return [=](Step& step) {
        auto read = [&]<class T>(const char* name, T*) {
            T value{};
            values::read(step.step[name], value, step.answers);
            return value;
        };
        std::tuple<typename Kept<P>::type...> kept{
            read(names, static_cast<typename Kept<P>::type*>(nullptr))...};
        auto result = std::apply([&](auto&... kept) { return function(kept...); }, kept);
        if (!result) {
            step.answer.object([&](auto& object) { values::write(object.key("error"), result.error()); });
        } else if constexpr (std::is_void_v<Ok>) {
            step.answer.null();
        } else {
            values::write(step.answer, *result);
        }
    };
}

inline void print(Step& step, FILE* to) {
    fprintf(to, "%s\n", step.text().c_str());
    fflush(to);
    step.answer.null();
}

inline void clock(Step& step) {
    timespec wall, monotonic;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    auto text = [](int64_t value) { return std::to_string(value); };
    step.answer.object([&](auto& object) {
        object.field("wall-ms", text(wall.tv_sec * 1000ll + wall.tv_nsec / 1'000'000));
        object.field("monotonic-ns", text(monotonic.tv_sec * 1'000'000'000ll + monotonic.tv_nsec));
    });
}

inline void random(Step& step) {
    Bytes bytes(16);
    if (getentropy(bytes.data(), bytes.size())) abort();
    step.answer.value(values::hex(bytes));
}

inline void allocate(Step& step) {
    size_t size = step.get("bytes").natural();
    auto* memory = static_cast<volatile char*>(malloc(size));
    if (!memory) abort();
    for (size_t i = 0; i < size; i += 4096) memory[i] = 1;
    free(const_cast<char*>(memory));
    step.answer.value(size);
}

inline void end(Step& step, bool failed) {
    std::string summary = step.get("summary").string();
    std::optional<std::string> output;
    if (!step.get("output").null()) {
        json::Text text;
        values::copy(text, step.step["output"], step.answers);
        output = text.str();
    }
    if (failed) step.end = failure(summary, output);
    else step.end = report(summary, output);
}

[[noreturn]] inline void trap(const std::string& text) {
    fprintf(stderr, "%s\n", text.c_str());
    abort();
}

using Steps = std::map<std::string, std::function<void(Step&)>>;

inline Steps all_steps() {
    return {
        {"task", [](Step& step) { values::write(step.answer, step.task); }},
        {"clock", clock},
        {"random", random},
        {"print", [](Step& step) { print(step, stdout); }},
        {"eprint", [](Step& step) { print(step, stderr); }},
        {"allocate", allocate},
        {"report", [](Step& step) { end(step, false); }},
        {"fail", [](Step& step) { end(step, true); }},
        {"trap", [](Step& step) { trap(step.text()); }},
        {"spin", [](Step&) { for (volatile int count = 0;; count = count + 1) {} }},
        {"reporting.progress", host(reporting::progress, "note")},
        {"reporting.submit-output", host(reporting::submit_output, "output-json")},
        {"reporting.call-for-report", host(reporting::call_for_report, "message", "timeout-ms")},
        {"channels.post", host(channels::post, "ticket", "text", "reply-to")},
        {"channels.mention", host(channels::mention, "members", "text")},
        {"channels.read", host(channels::read, "ticket", "after", "limit")},
        {"channels.ask", host(channels::ask, "member", "text", "timeout-ms")},
        {"tickets.create", host(tickets::create, "draft")},
        {"tickets.assign", host(tickets::assign, "ticket", "agent")},
        {"tickets.get", host(tickets::get, "ticket")},
        {"tickets.list", host(tickets::list, "filter")},
        {"tickets.comment", host(tickets::comment, "ticket", "text")},
        {"tickets.add-collaborator", host(tickets::add_collaborator, "agent")},
        {"tickets.link", host(tickets::link, "ticket", "kind")},
        {"memory.get", host(memory::get, "key")},
        {"memory.put", host(memory::put, "key", "value")},
        {"memory.remove", host(memory::remove, "key")},
        {"memory.keys", host(memory::keys, "prefix")},
        {"worktree.read", host(worktree::read, "path")},
        {"worktree.write", host(worktree::write, "path", "content")},
        {"worktree.remove", host(worktree::remove, "path")},
        {"worktree.list", host(worktree::list, "path")},
        {"worktree.diff", host(worktree::diff)},
        {"worktree.commit", host(worktree::commit, "message")},
        {"worktree.run", host(worktree::run, "command", "timeout-ms")},
#ifdef ADJUTANT_WORLD_BOSS
        {"delegation.team", host(delegation::team)},
        {"delegation.budget-left", host(delegation::budget_left)},
        {"delegation.propose-plan", host(delegation::propose_plan, "plan")},
        {"delegation.delegate", host(delegation::delegate, "assignments")},
        {"delegation.await-reports", host(delegation::await_reports, "tickets", "join", "timeout-ms")},
        {"delegation.cancel", host(delegation::cancel, "ticket", "reason")},
        {"delegation.reassign", host(delegation::reassign, "ticket", "assignee", "reason")},
#endif
    };
}

inline Done work(const Task& task) {
    std::string problem;
    json::Value script = task.ticket.description.starts_with("[")
                             ? json::Value::read(task.ticket.description, &problem)
                             : config(task)["script"];
    if (!problem.empty()) return failure(problem);
    if (script.null()) return failure("There is no script.");
    Steps steps = all_steps();
    Answers answers;
    json::Text all;
    std::optional<Done> end;
    all.list([&](auto& list) {
        for (size_t i = 0; i < script.size() && !end; i++) {
            json::Value one = script[i];
            Step step{task, one, answers, {}, {}};
            json::Value attempt = one["if-attempt"];
            auto known = steps.find(one["do"].string());
            if (attempt.there() && attempt.natural() != task.attempt) {
                step.answer.null();
            } else if (known == steps.end()) {
                end = failure("unknown step: " + one["do"].string());
                break;
            } else {
                known->second(step);
                end = step.end;
            }
            std::string text = step.answer.str();
            if (text.empty()) text = "null";
            list.raw(text);
            // What was read is good as long as its text: a copy that is kept for the run.
            answers.push_back(json::Value(adj_json_read(adj_format("%s", text.c_str()), nullptr)));
        }
    });
    if (end) return *end;
    return report("script done", all.str());
}

}  // namespace script
