// Reads Dockerfiles as BuildKit's own frontend does, and prints what its linter warns of: what `docker build --check`
// knows without pulling an image. Prints the instructions as JSON lines; ends with 1 where there is a warning.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

type stage struct {
	Name     string   `json:"name"`
	Base     string   `json:"base"`
	Commands []string `json:"commands"`
}

func main() {
	warned := false
	for _, path := range os.Args[1:] {
		file, err := os.Open(path)
		exitOn(path, err)
		result, err := parser.Parse(file)
		exitOn(path, err)
		lint := linter.New(&linter.Config{
			Warn: func(rule, description, url, message string, location []parser.Range) {
				warned = true
				line := 0
				if len(location) > 0 {
					line = location[0].Start.Line
				}
				fmt.Fprintf(os.Stderr, "%s:%d: %s: %s\n", path, line, rule, message)
			},
		})
		stages, _, err := instructions.Parse(result.AST, lint)
		exitOn(path, err)
		for _, found := range stages {
			commands := []string{}
			for _, command := range found.Commands {
				commands = append(commands, fmt.Sprint(command))
			}
			line, _ := json.Marshal(stage{found.Name, found.BaseName, commands})
			fmt.Println(string(line))
		}
	}
	if warned {
		os.Exit(1)
	}
}

func exitOn(path string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
		os.Exit(1)
	}
}
