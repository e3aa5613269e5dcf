// Package script does what a script says, for the conformance suite: the steps and references. How
// values are written is in the package values.
package script

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"adjutant"
	"conformance/values"
)

// The arguments of the host's functions, in the order of the contract.
var arguments = map[string][]string{
	"reporting.progress":        {"note"},
	"reporting.submit-output":   {"output-json"},
	"reporting.call-for-report": {"message", "timeout-ms"},
	"channels.post":             {"ticket", "text", "reply-to"},
	"channels.mention":          {"members", "text"},
	"channels.read":             {"ticket", "after", "limit"},
	"channels.ask":              {"member", "text", "timeout-ms"},
	"tickets.create":            {"draft"},
	"tickets.assign":            {"ticket", "agent"},
	"tickets.get":               {"ticket"},
	"tickets.list":              {"filter"},
	"tickets.comment":           {"ticket", "text"},
	"tickets.add-collaborator":  {"agent"},
	"tickets.link":              {"ticket", "kind"},
	"memory.get":                {"key"},
	"memory.put":                {"key", "value"},
	"memory.remove":             {"key"},
	"memory.keys":               {"prefix"},
	"worktree.read":             {"path"},
	"worktree.write":            {"path", "content"},
	"worktree.remove":           {"path"},
	"worktree.list":             {"path"},
	"worktree.diff":             {},
	"worktree.commit":           {"message"},
	"worktree.run":              {"command", "timeout-ms"},
	"delegation.team":           {},
	"delegation.budget-left":    {},
	"delegation.propose-plan":   {"plan"},
	"delegation.delegate":       {"assignments"},
	"delegation.await-reports":  {"tickets", "join", "timeout-ms"},
	"delegation.cancel":         {"ticket", "reason"},
	"delegation.reassign":       {"ticket", "assignee", "reason"},
}

// Interfaces of the host by name; a boss adds its own.
var Interfaces = map[string]any{
	"reporting": adjutant.Reporting,
	"channels":  adjutant.Channels,
	"tickets":   adjutant.Tickets,
	"memory":    adjutant.Memory,
	"worktree":  adjutant.Worktree,
}

type step = map[string]any

// ended is how a script ends before its last step.
type ended struct {
	report adjutant.Report
	failed bool
}

func (*ended) Error() string { return "the script has ended" }

// Work does what the task's script says.
func Work(task adjutant.Task) (adjutant.Report, error) {
	steps, err := read(task)
	if err != nil {
		return adjutant.Report{}, err
	}
	answers := []any{}
	for _, one := range steps {
		if attempt, ok := one["if-attempt"]; ok && fmt.Sprint(attempt) != fmt.Sprint(task.Attempt) {
			answers = append(answers, nil)
			continue
		}
		answer, err := do(resolve(one, answers).(step), task)
		var end *ended
		var refused *adjutant.Error
		switch {
		case errors.As(err, &end) && end.failed:
			return adjutant.Report{}, &adjutant.Failure{
				Summary: end.report.Summary, OutputJSON: end.report.OutputJSON,
			}
		case errors.As(err, &end):
			return end.report, nil
		case errors.As(err, &refused):
			answer = map[string]any{"error": *refused}
		case err != nil:
			return adjutant.Report{}, err
		}
		answers = append(answers, values.Plain(answer))
	}
	return adjutant.Done("script done", answers)
}

func read(task adjutant.Task) ([]step, error) {
	text := task.Ticket.Description
	if !strings.HasPrefix(text, "[") {
		var config struct {
			Script json.RawMessage `json:"script"`
		}
		if err := task.Config(&config); err != nil {
			return nil, err
		}
		if text = string(config.Script); text == "" || text == "null" {
			return nil, errors.New("There is no script.")
		}
	}
	var steps []step
	reader := json.NewDecoder(bytes.NewReader([]byte(text)))
	reader.UseNumber()
	return steps, reader.Decode(&steps)
}

// resolve replaces references to earlier answers.
func resolve(value any, answers []any) any {
	switch value := value.(type) {
	case []any:
		list := make([]any, len(value))
		for i, one := range value {
			list[i] = resolve(one, answers)
		}
		return list
	case map[string]any:
		if path, ok := value["$"].([]any); ok && len(value) == 1 {
			var at any = answers
			for _, key := range path {
				if name, ok := key.(string); ok {
					at = at.(map[string]any)[name]
				} else {
					index, _ := key.(json.Number).Int64()
					at = at.([]any)[index]
				}
			}
			return at
		}
		object := map[string]any{}
		for name, one := range value {
			object[name] = resolve(one, answers)
		}
		return object
	}
	return value
}

var begun = time.Now()

func do(one step, task adjutant.Task) (any, error) {
	name, _ := one["do"].(string)
	text, _ := one["text"].(string)
	switch name {
	case "task":
		return task, nil
	case "clock":
		return map[string]any{
			"wall-ms":      fmt.Sprint(time.Now().UnixMilli()),
			"monotonic-ns": fmt.Sprint(time.Since(begun).Nanoseconds()),
		}, nil
	case "random":
		random := make([]byte, 16)
		_, err := rand.Read(random)
		return hex.EncodeToString(random), err
	case "print":
		_, err := fmt.Fprintln(os.Stdout, text)
		return nil, err
	case "eprint":
		_, err := fmt.Fprintln(os.Stderr, text)
		return nil, err
	case "allocate":
		size, err := one["bytes"].(json.Number).Int64()
		memory := make([]byte, size)
		for i := 0; i < len(memory); i += 4096 {
			memory[i] = 1
		}
		return one["bytes"], err
	case "report", "fail":
		return nil, end(one, name == "fail")
	case "trap":
		panic(text)
	case "spin":
		for count := 0; ; count++ {
		}
	}
	return call(name, one)
}

func end(one step, failed bool) error {
	summary, _ := one["summary"].(string)
	end := &ended{report: adjutant.Report{Summary: summary}, failed: failed}
	if one["output"] != nil {
		text, err := json.Marshal(one["output"])
		if err != nil {
			return err
		}
		end.report.OutputJSON = adjutant.Some(string(text))
	}
	return end
}

// call calls a function of the host, found by its name.
func call(name string, one step) (any, error) {
	names, known := arguments[name]
	place, function, _ := strings.Cut(name, ".")
	offered, there := Interfaces[place]
	if !known || !there {
		return nil, errors.New("unknown step: " + name)
	}
	method := reflect.ValueOf(offered).MethodByName(goName(function))
	given := make([]reflect.Value, len(names))
	for i, argument := range names {
		given[i] = reflect.New(method.Type().In(i)).Elem()
		if err := values.Set(one[argument], given[i]); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, argument, err)
		}
	}
	results := method.Call(given)
	err, _ := results[len(results)-1].Interface().(error)
	if err != nil || len(results) == 1 {
		return nil, err
	}
	return results[0].Interface(), nil
}

func goName(name string) string {
	var all strings.Builder
	for _, word := range strings.Split(name, "-") {
		all.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return all.String()
}
