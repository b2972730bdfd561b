// What go-sqllexer takes to obfuscate and normalize texts, for bench/fingerprints.py, which runs it as SQLLEXER:
//
//	mkdir /tmp/sqllexer && cp bench/fingerprint_sqllexer.go /tmp/sqllexer && cd /tmp/sqllexer
//	go mod init sqllexer && go mod tidy && go build -o sqllexer .
//	SQLLEXER=/tmp/sqllexer/sqllexer python -m bench.fingerprints
//
// One argument: a gzip file of JSON lines, each an object with "sql". Texts are decoded before; the best of ten
// passes counts, in CPU time.
package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"syscall"
	"time"

	"github.com/DataDog/go-sqllexer"
)

func texts(path string) (found []string) {
	file, err := os.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	plain, err := gzip.NewReader(file)
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(plain)
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

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: sqllexer texts.jsonl.gz")
	}
	obfuscator := sqllexer.NewObfuscator(sqllexer.WithReplaceBoolean(true), sqllexer.WithReplaceNull(true))
	normalizer := sqllexer.NewNormalizer()
	given := texts(os.Args[1])
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
