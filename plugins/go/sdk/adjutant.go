// Package adjutant is for writing strategies for Adjutant in Go.
//
// A strategy is plain, imperative code: one function, named to the host in init.
//
//	func init() { adjutant.Boss(work) }
//
//	func work(task adjutant.Task) (adjutant.Report, error) {
//		team, err := adjutant.Delegation.Team()
//		...
//	}
//
//	func main() {}
//
// The types and functions of the contract are in contract.go, which is generated for the strategy's
// world: [Task], Delegation.Delegate and so on. A call to the host looks like any other call, and may
// take microseconds or days; what was answered once is never asked again, even when the host was
// restarted in between. For that to hold, a strategy asks the host for whatever is not in its task, and
// keeps no state elsewhere.
//
// What is printed to stdout and stderr is kept in the run's log. There are a clock and random numbers,
// both the same on each replay, and nothing else: no files, no sockets, no environment, no sleep.
package adjutant

import (
	"strings"
	"unicode"
)

// Some gives a pointer to a value: for what may be missing.
func Some[T any](value T) *T {
	return &value
}

// Or gives what a pointer points to, or another value where it is nil.
func Or[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

// Words gives the words of a text, in lower case: letters and digits.
func Words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsNumber(c)
	})
}

// Lines gives the lines of a text, trimmed, without those that are empty.
func Lines(text string) []string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
