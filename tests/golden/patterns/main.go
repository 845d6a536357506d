// Answers what Docker's own implementation of ignore patterns says: a question per line, JSON in, JSON out.
//
//	echo '{"Lines":["*.py","!a.py"],"Paths":["a.py","b.py"]}' | go run ./patterns
//
// "Lines" are read as an ignore file, "Patterns" as they are. For each path: whether it is matched, as
// patternmatcher asks about single paths, and as BuildKit's client asks about the paths of a walk.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

type question struct {
	Lines    []string
	Patterns []string
	Paths    []string
}

type answer struct {
	Error   string
	Read    []string
	Matched []bool
	Walked  []bool
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var q question
		if err := json.Unmarshal(line, &q); err != nil {
			panic(err)
		}
		if err := out.Encode(asked(q)); err != nil {
			panic(err)
		}
	}
}

func asked(q question) (a answer) {
	a.Read = q.Patterns
	if q.Lines != nil {
		read, err := ignorefile.ReadAll(strings.NewReader(strings.Join(q.Lines, "\n")))
		if err != nil {
			a.Error = err.Error()
			return
		}
		a.Read = read
	}
	pm, err := patternmatcher.New(a.Read)
	if err != nil {
		a.Error = err.Error()
		return
	}
	for _, path := range q.Paths {
		matched, err := pm.MatchesOrParentMatches(path)
		if err != nil {
			a.Error = err.Error()
			return
		}
		a.Matched = append(a.Matched, matched)
		var above patternmatcher.MatchInfo
		walked := false
		parts := strings.Split(path, "/")
		for depth := range parts {
			walked, above, err = pm.MatchesUsingParentResults(strings.Join(parts[:depth+1], "/"), above)
			if err != nil {
				a.Error = err.Error()
				return
			}
		}
		a.Walked = append(a.Walked, walked)
	}
	return
}
