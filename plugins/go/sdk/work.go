package adjutant

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	rawTypes "adjutant/internal/bindings/adjutant_agent_types"
	exported "adjutant/internal/bindings/export_wit_world"
	_ "adjutant/internal/bindings/wit_exports"
	"adjutant/internal/wit/runtime"
	witTypes "adjutant/internal/wit/types"
)

func register(work func(Task) (Report, error)) {
	exported.WorkWith = func(raw rawTypes.Task) witTypes.Result[rawTypes.Report, rawTypes.Failure] {
		defer runtime.Guard()
		runtime.Leave()
		report, err := work(fromTask(raw))
		if err != nil {
			return witTypes.Err[rawTypes.Report](toFailure(failureOf(err)))
		}
		return witTypes.Ok[rawTypes.Report, rawTypes.Failure](toReport(report))
	}
}

func init() {
	register(func(Task) (Report, error) {
		return Report{}, errors.New("This component has no strategy: call adjutant.Boss or " +
			"adjutant.Subordinate in a function init.")
	})
}

func failureOf(err error) Failure {
	var failure *Failure
	if errors.As(err, &failure) {
		return *failure
	}
	return Failure{Summary: err.Error()}
}

// Error is the failure as an error, so that a strategy may return one with an output.
func (failure *Failure) Error() string {
	return failure.Summary
}

// beforeCall begins what answer or done ends: the time in which no garbage may be collected.
func beforeCall() {
	runtime.Enter()
}

func answer[R, T any](raw witTypes.Result[R, rawTypes.Error], from func(R) T) (T, error) {
	defer runtime.Leave()
	if raw.IsErr() {
		var none T
		return none, failed(raw.Err())
	}
	return from(raw.Ok()), nil
}

func done(raw witTypes.Result[witTypes.Unit, rawTypes.Error]) error {
	defer runtime.Leave()
	if raw.IsErr() {
		return failed(raw.Err())
	}
	return nil
}

func failed(raw rawTypes.Error) error {
	err := fromError(raw)
	return &err
}

// Error tells why a call failed, as a sentence. Ask what it is with errors.Is and an [ErrorCase]:
//
//	if errors.Is(err, adjutant.ErrorCaseNotFound) { ... }
//
// or with errors.As and a pointer to [*Error] for all of it, such as the violations.
func (err *Error) Error() string {
	if err.Case == ErrorCaseInvalid {
		violations := make([]string, len(err.Invalid))
		for i, one := range err.Invalid {
			violations[i] = one.String()
		}
		if len(violations) > 0 {
			return strings.Join(violations, "; ")
		}
	}
	for _, text := range []string{err.Denied, err.NotFound, err.Limit, err.Cancelled, err.Deadline,
		err.Unavailable, err.Other} {
		if text != "" {
			return text
		}
	}
	return err.Case.Error()
}

// Is says whether it is of a case.
func (err *Error) Is(target error) bool {
	kind, ok := target.(ErrorCase)
	return ok && kind == err.Case
}

// Error is a sentence for an error of this case that says no more.
func (kind ErrorCase) Error() string {
	switch kind {
	case ErrorCaseDenied:
		return "This is not granted."
	case ErrorCaseNotFound:
		return "There is no such thing."
	case ErrorCaseInvalid:
		return "The arguments were refused."
	case ErrorCaseLimit:
		return "A limit was reached."
	case ErrorCaseCancelled:
		return "The ticket was cancelled."
	case ErrorCaseDeadline:
		return "Time ran out."
	case ErrorCaseUnavailable:
		return "Something outside did not answer."
	}
	return "The call failed."
}

func (violation Violation) String() string {
	if violation.Path == "" {
		return violation.Message
	}
	return violation.Path + ": " + violation.Message
}

// Text is what is to be done: the ticket's description, or its title where that is empty.
func (task Task) Text() string {
	if text := strings.TrimSpace(task.Ticket.Description); text != "" {
		return text
	}
	return strings.TrimSpace(task.Ticket.Title)
}

// Config reads the agent's configuration into a struct with JSON tags.
func (task Task) Config(into any) error {
	text := task.ConfigJSON
	if strings.TrimSpace(text) == "" {
		text = "{}"
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("the configuration of agent %q does not fit its strategy: %w",
			task.Agent.Name, err)
	}
	return nil
}

// Done makes a report: a summary for people, in Markdown, and the structured result, any value that
// JSON can express, or nil.
func Done(summary string, output any) (Report, error) {
	report := Report{Summary: summary}
	if output != nil {
		text, err := json.Marshal(output)
		if err != nil {
			return report, fmt.Errorf("the output cannot be written as JSON: %w", err)
		}
		report.OutputJSON = Some(string(text))
	}
	return report, nil
}
