// go-sqllexer, obfuscating and normalizing, for bench/fingerprints.py and bench/fingerprint_peers.py:
//
//	mkdir /tmp/sqllexer && cp bench/fingerprint_sqllexer.go /tmp/sqllexer && cd /tmp/sqllexer
//	go mod init sqllexer && go mod tidy && go build -o sqllexer .
//	SQLLEXER=/tmp/sqllexer/sqllexer python -m bench.fingerprints
//
// With an argument, a gzip file of JSON lines, each an object with "sql": says how many of its texts it does in a
// second of CPU time, the best of ten passes. They are decoded before.
//
// Without: reads such lines, and writes its name and version, then for each line what is left of the text, or null if
// it is refused, as JSON.
package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/DataDog/go-sqllexer"
)

func texts(given io.Reader) (found []string) {
	lines := bufio.NewScanner(given)
	lines.Buffer(make([]byte, 1<<20), 64<<20)
	for lines.Scan() {
		var line struct{ SQL string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			log.Fatal(err)
		}
		found = append(found, line.SQL)
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	return found
}

// cpu is the time that all threads have spent so far, those of the collector too.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func version() string {
	built, _ := debug.ReadBuildInfo()
	for _, module := range built.Deps {
		if module.Path == "github.com/DataDog/go-sqllexer" {
			return "go-sqllexer " + strings.TrimPrefix(module.Version, "v")
		}
	}
	return "go-sqllexer"
}

func main() {
	obfuscator := sqllexer.NewObfuscator(sqllexer.WithReplaceBoolean(true), sqllexer.WithReplaceNull(true))
	normalizer := sqllexer.NewNormalizer()
	if len(os.Args) == 1 {
		answers := json.NewEncoder(os.Stdout)
		answers.Encode(version())
		for _, text := range texts(os.Stdin) {
			left, _, err := sqllexer.ObfuscateAndNormalize(text, obfuscator, normalizer)
			if err != nil {
				answers.Encode(nil)
			} else {
				answers.Encode(left)
			}
		}
		return
	}
	file, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	plain, err := gzip.NewReader(file)
	if err != nil {
		log.Fatal(err)
	}
	given := texts(plain)
	best := time.Duration(1<<63 - 1)
	for range 10 {
		start := cpu()
		for _, text := range given {
			sqllexer.ObfuscateAndNormalize(text, obfuscator, normalizer)
		}
		best = min(best, cpu()-start)
	}
	fmt.Printf("cpu  %.0f statements/s\n", float64(len(given))/best.Seconds())
}
